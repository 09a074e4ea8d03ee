"""The one thread in which nets run; waiting photos of equal size are predicted as a batch."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from fullconv.inference import Prediction
from fullconv.inference.engines.engine import Image
from fullconv.serve.served_models import Model

BATCH_PIXELS = 2**18
"""The most pixels of a batch; larger batches gain nothing (docs/serve.md)."""


@dataclass(frozen=True, eq=False)
class Job:
    """A photo for a net, uint8 RGB (H, W, 3); its confidence is computed with its classes."""

    model: Model
    image: Image
    done: Future[Prediction] = field(default_factory=Future)
    added: float = field(default_factory=time.perf_counter)

    def goes_with(self, other: "Job") -> bool:
        """Whether both can be in one batch."""
        return self.model is other.model and self.image.shape == other.image.shape


Note = Callable[[list[Job], float, float], object]
"""Called with the jobs of a batch, the seconds that the first waited, and those of the net."""


class Worker:
    """Runs jobs in the order of their arrival, up to ``batch`` of them at once.

    The caller limits how many jobs wait. A job whose future is cancelled before its turn is left
    out.
    """

    def __init__(self, batch: int, note: Note) -> None:
        self._batch, self._note = batch, note
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="fullconv-net", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it takes jobs."""
        return self._thread.is_alive() and not self._closing

    @property
    def waiting(self) -> int:
        """How many jobs have not begun."""
        return len(self._waiting)

    def submit(self, job: Job) -> Future[Prediction]:
        """Put ``job`` behind the others. Raises RuntimeError once closed."""
        with self._changed:
            if self._closing:
                raise RuntimeError("the worker is closed")
            self._waiting.append(job)
            self._changed.notify()
        return job.done

    def close(self) -> None:
        """Accept no more jobs, and return when all accepted ones are done."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while jobs := self._next():
            ready = [job for job in jobs if job.done.set_running_or_notify_cancel()]
            if ready:
                self._run(ready)

    def _next(self) -> list[Job]:
        """The oldest job with those that fit into its batch; none when closed and all are done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return []
            first = self._waiting.popleft()
            height, width = first.image.shape[:2]
            most = min(self._batch, max(1, BATCH_PIXELS // (height * width)))
            alike = [job for job in self._waiting if job.goes_with(first)][: most - 1]
            for job in alike:
                self._waiting.remove(job)
        return [first, *alike]

    def _run(self, jobs: list[Job]) -> None:
        start, first = time.perf_counter(), jobs[0]
        try:
            predictor = first.model.predictor
            predictions = predictor.predict_batch(
                [job.image for job in jobs], confidence=predictor.has_scores
            )
        except BaseException as error:  # any error belongs to the callers that wait
            for job in jobs:
                job.done.set_exception(error)
            return
        self._note(jobs, start - first.added, time.perf_counter() - start)
        for job, prediction in zip(jobs, predictions, strict=True):
            job.done.set_result(prediction)
