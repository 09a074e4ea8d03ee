"""From the bytes of a photo to the bytes of the answer, within the limits; no HTTP here."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fullconv.errors import UserError
from fullconv.inference import Prediction
from fullconv.serve.connection_limit import Seats
from fullconv.serve.decode_photo import decode_photo
from fullconv.serve.prometheus import Metrics
from fullconv.serve.request_errors import Refusal, late, stopping
from fullconv.serve.responses import SCORE_BYTES, Answer, Wish, answer, score_bytes
from fullconv.serve.served_models import Model, Models
from fullconv.serve.settings import Settings
from fullconv.serve.worker import Job, Worker

HANDS = 2  # threads that decode photos and encode answers, beside the one of the nets
SENDERS = 4  # requests that may be sending their photo, for each that is accepted

T = TypeVar("T")


class Service:
    """All that a running service has: models, their thread, who is inside, what was counted."""

    def __init__(self, models: Models, settings: Settings) -> None:
        self.models, self.settings = models, settings
        self.metrics = Metrics()
        self.accepted = Seats(settings.queue)
        self.sending = Seats(SENDERS * settings.queue)
        self.worker = Worker(settings.batch, self.metrics.note)
        self._hands = ThreadPoolExecutor(HANDS, thread_name_prefix="fullconv-hand")
        self.metrics.watch(
            "accepted", "Photos accepted, not answered.", lambda: self.accepted.taken
        )
        self.metrics.watch("waiting", "Photos that wait for a net.", lambda: self.worker.waiting)

    @property
    def ready(self) -> bool:
        """Whether a photo would be accepted."""
        return self.worker.alive and not self.accepted.full

    async def segment(self, model: Model, output: str, wish: Wish, source: "Source") -> Answer:
        """The answer to a photo, whose bytes ``source`` gives (called in another thread).

        Raises Refusal: 413, 422 for a photo that is not taken, 503 where there is no place, 504
        when it takes too long.
        """
        start = time.perf_counter()
        with self.accepted.seat():
            try:
                async with asyncio.timeout(self.settings.seconds):
                    made = await self._segment(model, output, wish, source)
            except TimeoutError:
                raise late(self.settings.seconds) from None
            finally:
                self.accepted.note(time.perf_counter() - start)
        self.metrics.seconds.observe(time.perf_counter() - start)
        return made

    async def _segment(self, model: Model, output: str, wish: Wish, source: "Source") -> Answer:
        image = await self._by_hand(
            lambda: decode_photo(source(), self.settings.max_pixels, model.predictor.read_options)
        )
        if wish.scores and score_bytes(model, image) > SCORE_BYTES:
            raise Refusal(413, "the photo is too large for probabilities: make it smaller")
        job = Job(model, image, wish.scores)
        found = await self._through(job)
        part = found.others.get(output, found)
        seconds = time.perf_counter() - job.added
        return await self._by_hand(lambda: answer(wish, model, part, seconds))

    async def _through(self, job: Job) -> Prediction:
        """What the net says; cancelled, the job is left out if it has not begun."""
        try:
            return await asyncio.wrap_future(self.worker.submit(job))
        except UserError as error:
            raise Refusal(422, job.model.without_path(str(error))) from error
        except RuntimeError as error:
            if self.worker.alive:
                raise
            raise stopping() from error

    async def _by_hand(self, do: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._hands, do)

    def close(self) -> None:
        """Finish what was accepted, and end the threads."""
        self.worker.close()
        self._hands.shutdown()


Source = Callable[[], bytes]
"""The bytes of a photo."""
