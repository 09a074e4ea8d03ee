"""The workers of a Ray cluster: each holds the net, gets items by Ray Data, and returns replies.

A lost worker is started again and gets its item once more; no reply is returned twice.
"""

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fullconv.cluster.connection import ClusterOptions, connected, needed_ray
from fullconv.errors import UserError, reason_of
from fullconv.inference.engines.registry import Say
from fullconv.inference.predictor import Predictor
from fullconv.inference.storage.predictor_options import PredictorOptions
from fullconv.version import __version__

Reply = dict[str, Any]
"""The result of an item: values of Arrow's types; one with 'fatal' ends the job."""
Task = Callable[[Predictor, dict[str, Any]], Iterator[Reply]]
"""A worker's part, a function of a module: an item in plain JSON types -> replies."""
ATTEMPTS = 5
"""Workers that may be lost with one item before the job ends."""
_BLOCKS = 20_000  # of items that Ray Data keeps account of


class Desk:
    """An actor of Ray that hands out the files of the net and counts how often items are begun."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files, self._begun = files, Counter[int]()

    def files(self) -> dict[str, bytes]:
        """The bytes of the net's files, by name."""
        return self._files

    def begin(self, number: int) -> int:
        """Count that a worker begins an item; how often one did."""
        self._begun[number] += 1
        return self._begun[number]


@dataclass(frozen=True)
class Job:
    """The state of every worker: how the net is opened, the name of its file, its task."""

    options: PredictorOptions
    file: str
    task: Task
    cpus: float
    version: str


class Worker:
    """An actor of Ray that holds the net."""

    def __init__(self, job: Job, desk: Any) -> None:
        self.job, self.desk = job, desk
        self.predictor: Predictor | None = None

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, list[Any]]]:
        """The replies to each item of a batch."""
        for number, item in zip(batch["number"], batch["item"], strict=True):
            try:
                self._begin(int(number))
                if self.predictor is None:
                    self.predictor = self._opened()
                for reply in self.job.task(self.predictor, json.loads(item)):
                    yield {"fatal": [""], "code": [""], **{k: [v] for k, v in reply.items()}}
            except UserError as error:
                yield {"fatal": [str(error)], "code": [error.code]}

    def _begin(self, number: int) -> None:
        """UserError for an item with which workers were lost again and again."""
        ray = needed_ray()
        if ray.get(self.desk.begin.remote(number)) > ATTEMPTS:
            raise UserError(
                f"{ATTEMPTS} workers of the cluster were lost with the same photos, most likely "
                "for lack of memory; what was done by then is recorded: fewer --workers, or --tile "
                "auto",
                "FC-CLUSTER-007",
            )

    def _opened(self) -> Predictor:
        import torch

        job = self.job
        if job.version != __version__:
            raise UserError(
                f"fullconv is {job.version} here and {__version__} on a machine of the cluster: "
                "install the same",
                "FC-CLUSTER-006",
            )
        if job.cpus >= 1:
            torch.set_num_threads(int(job.cpus))
        self.folder = tempfile.TemporaryDirectory(prefix="fullconv-")
        for name, content in needed_ray().get(self.desk.files.remote()).items():
            (Path(self.folder.name) / name).write_bytes(content)
        return replace(job.options, path=str(Path(self.folder.name) / job.file)).open()


def files_of_net(file: Path) -> dict[str, bytes]:
    """The bytes of a net's file by its name, and of what an exported graph has beside it."""
    graph = file.suffix.lower() in (".xml", ".onnx")
    beside = file.parent.glob(f"{file.stem}.*") if graph else [file]
    return {path.name: path.read_bytes() for path in {file, *beside} if path.is_file()}


def replies(
    cluster: ClusterOptions,
    options: PredictorOptions,
    task: Task,
    items: Sequence[dict[str, Any]],
    say: Say,
    in_order: bool = False,
) -> Iterator[Reply]:
    """The results of ``items`` from the workers of the cluster, as they come or ``in_order``.

    Raises UserError where a worker does, or is lost again and again with the same item.
    """
    ray = needed_ray()
    with connected(cluster) as pool:
        import ray.data
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        _quiet(in_order)
        file = options.net_file(say)
        here: Any = NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=True
        )
        desk_class = ray.remote(num_cpus=0, scheduling_strategy=here)(Desk)
        desk = desk_class.remote(files_of_net(file))
        job = Job(options, file.name, task, pool.cpus, __version__)
        rows = [{"number": n, "item": json.dumps(item)} for n, item in enumerate(items)]
        blocks = min(len(rows), _BLOCKS)
        dataset = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
            Worker,
            fn_constructor_args=(job, desk),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(pool.workers, len(rows))),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
        )
        with closing(_rows(dataset)) as given:
            for reply in given:
                if reply["fatal"]:
                    raise UserError(reply["fatal"], reply["code"])
                yield reply


def _rows(dataset: Any) -> Generator[Reply, None, None]:
    try:
        for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from batch.to_pylist()
    except UserError:
        raise
    except Exception as error:  # Ray's, of a worker that fails for a reason of its own
        cause = getattr(error, "cause", None) or error.__cause__ or error
        raise UserError(
            f"a worker of the cluster failed ({reason_of(cause)}); what was done by then is "
            "recorded: type the command again, with more memory for each worker if it was killed",
            "FC-CLUSTER-007",
        ) from error


def _quiet(in_order: bool) -> None:
    """No bars and reports of Ray's own; replies in the order of the items where that is asked."""
    from ray.data import DataContext

    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.execution_options.preserve_order = in_order
