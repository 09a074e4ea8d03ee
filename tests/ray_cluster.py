"""A real Ray cluster of two nodes' processes on this machine, and its workers by their process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

MARK = "FULLCONV_TEST_CLUSTER"


class RunningCluster:
    def __init__(self, address: str, mark: str) -> None:
        self.address, self.mark = address, mark

    def workers(self) -> list[int]:
        """The processes that hold the net."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                named = b"MapBatches(Worker)" in (entry / "cmdline").read_bytes()
                own = f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes()
            except OSError:  # it has ended
                continue
            if named and own:
                found.append(int(entry.name))
        return found


@contextmanager
def two_nodes(**environment: str) -> Iterator[RunningCluster]:
    """Two raylets of two CPUs each, whose processes have ``environment`` too."""
    pytest.importorskip("ray", reason="needs fullconv[ray]")
    pytest.importorskip("pyarrow", reason="needs fullconv[ray]")
    mark = uuid4().hex
    added = {MARK: mark, "RAY_USAGE_STATS_ENABLED": "0", **environment}
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        cluster.add_node(**node)
        yield RunningCluster(cluster.address, mark)
    finally:
        cluster.shutdown()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
