"""What one process of `gpu.py` measures: a job in JSON on the command line, the answer in JSON.

Each job is a function here, called by its name: training of this project and of the peers, memory
within a limit, prediction. Times are between synchronisations of the device; the first calls, which
load and choose, do not count.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fullconv.device import is_out_of_memory

CLASSES, WARM = 21, 3
Job = dict[str, Any]


def timed(run: Callable[[], Any], device: torch.device, repeats: int) -> float:
    """Median seconds of a call, behind the warming ones."""
    seconds = []
    for number in range(WARM + repeats):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= WARM:
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def train(job: Job) -> Job:
    """Photos a second of this project's own step, at each batch that the memory suffices for."""
    from lightning_fabric import Fabric

    from fullconv.data import Batch
    from fullconv.models import build
    from fullconv.models.registry import BACKBONES
    from fullconv.training import make_config
    from fullconv.training.losses.criterion import make_criterion
    from fullconv.training.step import Updater

    bf16 = job["precision"] == "bf16"
    changes = {"net.name": job["net"], "net.width": job["width"], "optimizer.kind": "sgd"}
    changes |= {"optimizer.lr": 1e-5, "optimizer.ema": None, "optimizer.clip": None}
    changes |= {"compute.precision": job["precision"], "compute.device": job["device"]}

    def step_of(batch: int) -> Callable[[], Any]:
        config = make_config(overrides=changes | {"schedule.batch_size": batch})
        fabric = Fabric(
            accelerator=job["device"], devices=1, precision="bf16-mixed" if bf16 else "32-true"
        )
        spec = config.spec(CLASSES)
        net = build(spec)
        if job["compiled"]:
            torch._dynamo.reset()  # else it would be compiled for any batch from the second on
            net.backbone.compile(dynamic=False)
        criterion = make_criterion(config.loss, None, 255, fabric.device)
        preprocessing = BACKBONES[spec.backbone].preprocessing
        updater = Updater(config, fabric, net, preprocessing, criterion, 10**6)
        images, masks = noise(batch, job["size"])
        return lambda: updater.step(Batch(0, images, masks, ["noise"] * batch))

    return rates(job, step_of)


def pytorch_fcn(job: Job) -> Job:
    """pytorch-fcn, as its trainer does it."""
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    import pytorch_fcn as peer  # pyright: ignore[reportMissingImports]

    device = torch.device(job["device"])
    net = peer.torchfcn.models.FCN8s(n_class=CLASSES).to(device).train()
    optimizer = peer.optimizer_of(net)

    def step_of(batch: int) -> Callable[[], Any]:
        images, masks = noise(batch, job["size"])
        prepared = torch.cat([peer.prepared(image.numpy()) for image in images])

        def step() -> None:
            data, target = prepared.to(device), masks.long().to(device)
            optimizer.zero_grad()
            loss = peer.cross_entropy2d(net(data), target, size_average=False) / batch
            loss.item()  # its trainer looks whether it is a number
            loss.backward()
            optimizer.step()

        return step

    return rates(job, step_of)


def torchvision_fcn(job: Job) -> Job:
    """torchvision's fcn_resnet50 without its auxiliary loss, as its reference script with --amp."""
    from torchvision.models.segmentation import (  # pyright: ignore[reportMissingImports]
        fcn_resnet50,
    )

    device, bf16 = torch.device(job["device"]), job["precision"] == "bf16"
    net = fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES).to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-5, momentum=0.9, weight_decay=1e-4)

    def step_of(batch: int) -> Callable[[], Any]:
        images, masks = noise(batch, job["size"])

        def step() -> None:
            inputs = images.to(device).permute(0, 3, 1, 2).float() / 255
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                scores = net(inputs)["out"]
                loss = torch.nn.functional.cross_entropy(scores, masks.long().to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step

    return rates(job, step_of)


def rates(job: Job, step_of: Callable[[int], Callable[[], Any]]) -> Job:
    """Photos a second and peak MiB by batch, until one fails; what ended it."""
    device, found, ended = torch.device(job["device"]), {}, ""
    for batch in job["batches"]:
        if device.type == "cuda":
            gc.collect()  # a compiled net refers to itself
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        try:
            rate = batch / timed(step_of(batch), device, job["repeats"])
        except Exception as error:  # what was measured before is worth keeping
            if not found and not is_out_of_memory(error):
                raise
            ended = f"batch {batch}: {(str(error).splitlines() or [repr(error)])[0][:120]}"
            break
        mib = torch.cuda.max_memory_allocated(device) >> 20 if device.type == "cuda" else 0
        found[batch] = {"rate": rate, "mib": mib}
        so_far = {"rates": found, "ended": f"more than batch {batch}: out of patience"}
        print(json.dumps(so_far), flush=True)  # the last answer counts
    return {"rates": found, "ended": ended}


def noise(batch: int, size: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos N,H,W,3 and masks N,H,W, both uint8."""
    images = torch.randint(0, 256, (batch, *size, 3), dtype=torch.uint8)
    return images, torch.randint(0, CLASSES, (batch, *size), dtype=torch.uint8)


def limited(job: Job) -> Job:
    """A training within a limit: the way chosen, what it was said to take, and what it took."""
    from memory import Training, measure

    fields = {key: job[key] for key in ("net", "batch", "memory", "width", "precision")}
    fields |= {"size": tuple(job["size"]), "optimizer": job["optimizer"]}
    found = measure(Training(**fields), job["device"], job["repeats"])
    if job["device"] == "cuda":
        free, total = torch.cuda.mem_get_info()
        found["reserved"] = torch.cuda.max_memory_reserved() >> 20
        found["card"] = (total - free) >> 20
    return found


def predict(job: Job) -> Job:
    """Milliseconds from a photo to its classes."""
    from fullconv.inference import TorchEngine
    from fullconv.models import CAFFE, NetSpec, build

    torch.manual_seed(0)
    net = build(NetSpec(job["net"], CLASSES, width=job["width"]))
    engine = TorchEngine((net, CAFFE), job["device"], job["precision"])
    photo = noise(1, job["size"])[0][0].numpy()
    seconds = timed(lambda: engine.class_map(photo), engine.device, job["repeats"])
    return {"ms": seconds * 1000}


def predict_pytorch_fcn(job: Job) -> Job:
    """The same by pytorch-fcn, as its evaluation does it."""
    sys.path.insert(0, str(Path(__file__).parent / "peers"))
    import pytorch_fcn as peer  # pyright: ignore[reportMissingImports]

    device = torch.device(job["device"])
    net = peer.torchfcn.models.FCN8s(n_class=CLASSES).to(device).eval()
    photo = noise(1, job["size"])[0][0].numpy()

    def run() -> None:
        with torch.no_grad():
            net(peer.prepared(photo).to(device)).max(1)[1].cpu().numpy()

    return {"ms": timed(run, device, job["repeats"]) * 1000}


JOBS = (train, pytorch_fcn, torchvision_fcn, limited, predict, predict_pytorch_fcn)

if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps({job.__name__: job for job in JOBS}[asked.pop("do")](asked)))
