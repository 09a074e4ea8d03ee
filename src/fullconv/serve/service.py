"""From the bytes of a photo to the bytes of the answer, within the limits; no HTTP here."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from fullconv.errors import UserError
from fullconv.inference import MultilabelPrediction, Prediction
from fullconv.serve.answers import Answer, AnswerOptions, answer
from fullconv.serve.decode_photo import decode_photo
from fullconv.serve.prometheus import Metrics
from fullconv.serve.request_errors import RequestError, busy, late, stopping
from fullconv.serve.served_models import Model, Models
from fullconv.serve.settings import Settings
from fullconv.serve.worker import Job, Worker

PICTURE_THREADS = 2  # they decode photos and encode answers, beside the one of the nets
SENDERS = 4  # requests that may be sending their photo, for each that is accepted
LONGEST_WAIT = 60  # seconds that anybody is told to wait

T = TypeVar("T")
Source = Callable[[], bytes]
"""The bytes of a photo."""


class Slots:
    """At most ``number`` requests at a time; the next is refused. For the event loop alone."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.taken = 0
        self.seconds = 1.0
        """How long a request keeps its slot, on average over the last ones."""

    @property
    def full(self) -> bool:
        """Whether the next one would be refused."""
        return self.taken >= self.number

    @property
    def wait(self) -> int:
        """Seconds after which a slot is likely to be free."""
        return min(LONGEST_WAIT, max(1, math.ceil(self.seconds)))

    @contextmanager
    def slot(self) -> Iterator[None]:
        """One slot for the block; RequestError (503) where none is free."""
        if self.full:
            raise busy(self.wait)
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    def note(self, seconds: float) -> None:
        """Take the time of one request into the average."""
        self.seconds += (seconds - self.seconds) / 8


class Service:
    """A running service: models, their thread, the limits, the counters."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self.models, self.settings = models, settings
        self.metrics = Metrics()
        self.accepted = Slots(settings.queue)
        self.sending = Slots(SENDERS * settings.queue)
        self.worker = Worker(settings.batch, self.metrics.note)
        self._pictures = ThreadPoolExecutor(PICTURE_THREADS, thread_name_prefix="fullconv-picture")
        self.metrics.watch(
            "accepted", "Photos accepted, not answered.", lambda: self.accepted.taken
        )
        self.metrics.watch("waiting", "Photos that wait for a net.", lambda: self.worker.waiting)

    @property
    def ready(self) -> bool:
        """Whether a photo would be accepted."""
        return self.worker.alive and not self.accepted.full

    async def segment(
        self, model: Model, output: str, options: AnswerOptions, source: Source
    ) -> Answer:
        """The answer to a photo, whose bytes ``source`` gives (called in another thread).

        Raises RequestError: 413, 422 for a photo that is not taken, 503 where the queue is full,
        504 when it takes too long.
        """
        start = time.perf_counter()
        with self.accepted.slot():
            try:
                async with asyncio.timeout(self.settings.seconds):
                    segmented = await self._segment(model, output, options, source)
            except TimeoutError:
                raise late(self.settings.seconds) from None
            finally:
                self.accepted.note(time.perf_counter() - start)
        self.metrics.seconds.observe(time.perf_counter() - start)
        return segmented

    async def _segment(
        self, model: Model, output: str, options: AnswerOptions, source: Source
    ) -> Answer:
        limit, read = self.settings.max_pixels, model.predictor.read_options
        image = await self._in_thread(lambda: decode_photo(source(), limit, read))
        if options.kind == "probability":
            _refuse_without_scores(model)
        job = Job(model, image)
        prediction = await self._predicted(job)
        prediction = prediction.other_outputs.get(output, prediction)
        if output and isinstance(prediction, MultilabelPrediction):
            prediction = prediction.only(output)
        seconds = time.perf_counter() - job.added
        return await self._in_thread(lambda: answer(options, model, prediction, seconds))

    async def _predicted(self, job: Job) -> Prediction:
        """The net's prediction; cancelled, the job is left out if it has not begun."""
        try:
            return await asyncio.wrap_future(self.worker.submit(job))
        except UserError as error:
            raise _refused(job.model, error) from error
        except RuntimeError as error:
            if self.worker.alive:
                raise
            raise stopping() from error

    async def _in_thread(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pictures, do)

    def close(self) -> None:
        """Finish what was accepted, and end the threads."""
        self.worker.close()
        self._pictures.shutdown()


def _refuse_without_scores(model: Model) -> None:
    """RequestError (422) where a net gives classes alone."""
    try:
        model.predictor.check_scores()
    except UserError as error:
        raise _refused(model, error) from error


def _refused(model: Model, error: UserError) -> RequestError:
    return RequestError(422, model.without_path(str(error)), error.code or "FC-SERVE-010")
