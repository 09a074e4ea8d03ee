"""What a second process costs, and what it brings: photos a second of one training step.

    python benchmarks/processes.py                 # two processes of a thread, one of two threads
    python benchmarks/processes.py --device cuda   # 1, 2, 4, ... GPUs, as many as there are

Each way trains the same photos in a step, in processes of its own, in turn in each round; medians
of the step times, without the first ones. On a CPU the ratio is the overhead, on GPUs the speed-up.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

STEPS, WARM = 12, 3


def step_times(job: dict) -> list[float]:
    """Seconds of each step, in this process of so many."""
    from fullconv.data import Batch
    from fullconv.models import BACKBONES, NetSpec, build
    from fullconv.training import make_config
    from fullconv.training.losses.criterion import make_criterion
    from fullconv.training.parallel.processes import processes_of
    from fullconv.training.step import Updater

    torch.set_num_threads(job["threads"])
    config = make_config(
        "scratch",
        {
            "compute.device": job["device"],
            "compute.devices": job["processes"],
            "compute.precision": "fp32",
            "schedule.batch_size": job["photos"] // job["processes"],
            "optimizer.kind": "sgd",
        },
    )
    fabric = processes_of(config)
    torch.set_num_threads(job["threads"])
    spec = NetSpec(job["net"], 11)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    preprocessing = BACKBONES[spec.backbone].preprocessing
    updater = Updater(config, fabric, build(spec), preprocessing, criterion, 1000)
    size, own = job["size"], config.schedule.batch_size
    images = torch.randint(0, 256, (own, *size, 3), dtype=torch.uint8)
    masks = torch.randint(0, 11, (own, *size), dtype=torch.uint8)
    times = []
    for step in range(STEPS):
        fabric.barrier()
        begin = time.perf_counter()
        updater.step(Batch(step, images, masks, ["random"] * own))
        times.append(time.perf_counter() - begin)
    return times[WARM:]


def measured(job: dict, port: int) -> float:
    """Median seconds of a step, by the processes of the job."""
    processes = []
    for rank in range(job["processes"]):
        variables = {**os.environ, "OMP_NUM_THREADS": str(job["threads"])}
        if job["processes"] > 1:
            variables |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
            variables["MASTER_PORT"] = str(port)
        arguments = [sys.executable, __file__, "--job", json.dumps(job)]
        processes.append(subprocess.Popen(arguments, env=variables, stdout=subprocess.PIPE))
    outputs = [process.communicate()[0] for process in processes]
    return statistics.median(json.loads(outputs[0].splitlines()[-1]))


def jobs(options: argparse.Namespace) -> list[dict]:
    """The ways to compare, the first one the reference."""
    common = {
        "device": options.device, "net": options.net, "photos": options.photos,
        "size": [options.size, options.size],
    }  # fmt: skip
    if options.device == "cpu":
        return [common | {"processes": 1, "threads": 2}, common | {"processes": 2, "threads": 1}]
    counts = [n for n in (1, 2, 4, 8) if n <= torch.cuda.device_count()]
    return [common | {"processes": n, "threads": 1} for n in counts]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--net", default="fcn8s-resnet18")
    parser.add_argument("--photos", type=int, default=8, help="of a step, over all processes")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        print(json.dumps(step_times(json.loads(options.job))))
        return
    ways = jobs(options)
    rounds = [
        [measured(job, 29600 + 10 * number + place) for place, job in enumerate(ways)]
        for number in range(options.rounds)
    ]
    seconds = [statistics.median(times) for times in zip(*rounds, strict=True)]
    print(
        "| processes | threads of each | s a step | photos/s | ratio |\n|---:|---:|---:|---:|---:|"
    )
    for job, time_ in zip(ways, seconds, strict=True):
        row = job["processes"], job["threads"], f"{time_:.3f}", f"{job['photos'] / time_:.1f}"
        print(f"| {' | '.join(map(str, row))} | {seconds[0] / time_:.2f} |")
    if options.json:
        options.json.write_text(json.dumps({"ways": ways, "seconds": seconds}, indent=1))


if __name__ == "__main__":
    main()
