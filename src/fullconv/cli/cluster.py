"""Options of the commands that work on a Ray cluster."""

from typing import TYPE_CHECKING, Annotated

import typer

from fullconv.cli.help_panels import MORE
from fullconv.errors import UserError

if TYPE_CHECKING:
    from fullconv.cluster.connection import ClusterOptions

ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="auto|ADDRESS",
        help="Work on a Ray cluster: the one at ADDRESS, as 10.0.0.1:6379 or ray://host:10001; "
        "auto: the one that runs here, else one of this machine.",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, help="With --cluster: processes that hold the net.  [default: as many "
        "as there is room for]", rich_help_panel=MORE,
    ),
]  # fmt: skip
WorkerCpus = Annotated[
    float | None,
    typer.Option(
        "--worker-cpus", min=0, help="With --cluster: CPUs of each such process.  [default: those "
        "of the smallest machine, at most 8]", rich_help_panel=MORE,
    ),
]  # fmt: skip
WorkerGpus = Annotated[
    float | None,
    typer.Option(
        "--worker-gpus", min=0, help="With --cluster: GPUs of each such process; 0.5: two share "
        "one.  [default: 1 where there are any]", rich_help_panel=MORE,
    ),
]  # fmt: skip


def cluster_options(
    address: str | None, workers: int | None, cpus: float | None, gpus: float | None
) -> "ClusterOptions | None":
    """The options as `ClusterOptions`; UserError for options of workers without --cluster."""
    if address is None:
        given = {"--workers": workers, "--worker-cpus": cpus, "--worker-gpus": gpus}
        if strange := [name for name, value in given.items() if value is not None]:
            raise UserError(f"{strange[0]}: is an option of --cluster: add it", "FC-CLUSTER-001")
        return None
    from fullconv.cluster.connection import ClusterOptions

    return ClusterOptions(address, workers, cpus, gpus)
