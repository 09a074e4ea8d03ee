"""To a Ray cluster and back: where it is, how many workers it has room for."""

import logging
import math
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fullconv.errors import UserError, printable, reason_of

AUTO = "auto"
MOST_CPUS = 8
"""CPUs of a worker, where nobody says how many: of more a small net makes little."""
_SECONDS = 5.0  # to reach an address


@dataclass(frozen=True)
class ClusterOptions:
    """``address`` is host:port, ray://host:port, or 'auto': a cluster that runs here, else a new
    one of this machine. ``workers`` are the processes that hold the net, each with so many ``cpus``
    and ``gpus`` (0.5: two share one); None: as many as there is room for.
    """

    address: str = AUTO
    workers: int | None = None
    cpus: float | None = None
    gpus: float | None = None


@dataclass(frozen=True)
class Pool:
    """The workers of a job: how many, and the CPUs and GPUs of each."""

    workers: int
    cpus: float
    gpus: float


def needed_ray() -> Any:
    """Ray; UserError where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports its use to its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its own lines on stderr
    try:
        import pyarrow  # noqa: F401
        import ray
    except ImportError:
        raise UserError(
            "--cluster: needs Ray; pip install 'fullconv[ray]'", "FC-CLUSTER-003"
        ) from None
    return ray


@contextmanager
def connected(options: ClusterOptions) -> Iterator[Pool]:
    """The cluster during the block, and what is asked of it.

    What this process is connected to already is used and left. Raises UserError where there is no
    cluster, and where it has no room for a worker.
    """
    ray = needed_ray()
    own = not ray.is_initialized()
    if own:
        with _silent():
            _connect(ray, options.address)
    try:
        yield pool_of(options, [node["Resources"] for node in ray.nodes() if node["Alive"]])
    finally:
        if own:
            ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing on stderr during the block, from Ray's own library neither; exceptions pass."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _connect(ray: Any, address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == AUTO:
        try:
            ray.init(address=AUTO, **quiet)
        except ConnectionError:
            ray.init(address="local", include_dashboard=False, **quiet)
        return
    _check_reachable(address)
    try:
        ray.init(address=address, **quiet)
    except Exception as error:  # ConnectionError, RuntimeError of another version, and more
        raise _no_cluster(address, reason_of(error)) from error


def _check_reachable(address: str) -> None:
    """UserError unless something listens at an address; Ray itself would wait for minutes."""
    host, sign, port = address.removeprefix("ray://").rpartition(":")
    if not (sign and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise _no_cluster(address, "is neither auto nor HOST:PORT, as 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error)) from error


def _no_cluster(address: str, reason: str) -> UserError:
    return UserError(
        f"--cluster {printable(address)}: no Ray cluster there ({reason}); 'ray status' on its "
        "first machine shows the address, 'ray start --head' starts one",
        "FC-CLUSTER-004",
    )


def pool_of(options: ClusterOptions, nodes: list[dict[str, float]]) -> Pool:
    """The workers that machines with these resources have room for; UserError for none."""
    has_gpus = any(node.get("GPU") for node in nodes)
    gpus = options.gpus if options.gpus is not None else float(has_gpus)
    hosts = [node for node in nodes if node.get("CPU") and node.get("GPU", 0) >= gpus]
    cpus = options.cpus
    if cpus is None and hosts:
        cpus = min(_share(node, gpus) for node in hosts)
    room = sum(_room(node, cpus or 0, gpus) for node in hosts)
    workers = options.workers or room
    if not room or workers > room:
        asked = f"{workers or 1} x {cpus or 1:g} CPUs" + (f" and {gpus:g} GPUs" if gpus else "")
        raise UserError(
            f"--cluster {printable(options.address)}: has no room for {asked}; fewer --workers, "
            "--worker-cpus or --worker-gpus",
            "FC-CLUSTER-005",
        )
    return Pool(workers, cpus or 0, gpus)


def _share(node: dict[str, float], gpus: float) -> float:
    """CPUs of a worker on a machine: all, or those for its part of the GPUs."""
    workers = node.get("GPU", 0) // gpus if gpus else 1
    return float(max(1, min(node["CPU"] // max(workers, 1), MOST_CPUS)))


def _room(node: dict[str, float], cpus: float, gpus: float) -> int:
    """How many workers a machine takes."""
    by_cpus = node["CPU"] / cpus if cpus else math.inf
    by_gpus = node.get("GPU", 0) / gpus if gpus else math.inf
    most = min(by_cpus, by_gpus)
    return int(most + 1e-9) if math.isfinite(most) else 1
