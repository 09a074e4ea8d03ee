"""The metrics for Prometheus at ``/metrics``."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fullconv.serve.worker import Job

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "fullconv_requests_total", "Requests answered.", ["path", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "fullconv_segment_seconds", "From a photo's arrival to its answer.",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.photos = Counter(
            "fullconv_photos_total", "Photos that went through a net.", ["model"],
            registry=self.registry,
        )  # fmt: skip
        self.pixels = Counter(
            "fullconv_pixels_total", "Pixels that went through a net.", ["model"],
            registry=self.registry,
        )  # fmt: skip
        self.net = Histogram(
            "fullconv_net_seconds", "Time of a net for the photos that went through together.",
            ["model"], buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.wait = Histogram(
            "fullconv_wait_seconds", "Time that the oldest photo of those waited for the net.",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.together = Histogram(
            "fullconv_photos_together", "Photos that went through a net together.",
            buckets=(1, 2, 4, 8, 16, 32), registry=self.registry,
        )  # fmt: skip

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A gauge that is asked when it is read."""
        Gauge(f"fullconv_{name}", what, registry=self.registry).set_function(value)

    def note(self, jobs: list[Job], waited: float, took: float) -> None:
        """Count what went through a net."""
        name, count = jobs[0].model.name, len(jobs)
        height, width = jobs[0].image.shape[:2]
        self.photos.labels(name).inc(count)
        self.pixels.labels(name).inc(count * height * width)
        self.net.labels(name).observe(took)
        self.wait.observe(waited)
        self.together.observe(count)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self.registry)
