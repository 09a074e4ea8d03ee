"""This project's own training step, by the same `Updater` as `fullconv train`."""

import torch

import worker
from left_out import not_installed


def main():
    not_installed("torchmetrics")
    from fullconv.data import Batch
    from fullconv.device import MIB, keep_freed_memory, return_freed_memory
    from fullconv.models import build
    from fullconv.models.registry import BACKBONES
    from fullconv.training import make_config
    from fullconv.training.losses.criterion import make_criterion
    from fullconv.training.memory.step_memory import estimate
    from fullconv.training.parallel.processes import OneProcess
    from fullconv.training.step import Updater

    job = worker.job()
    keep_freed_memory() if job["keeps_memory"] else return_freed_memory()
    config = make_config(job["recipe"], overrides=job["overrides"])
    fabric = OneProcess(torch.device("cpu"), bf16=job["fabric"] == "bf16-mixed")
    spec, batch = config.spec(job["classes"]), config.schedule.batch_size
    foretold = estimate(config, spec, tuple(job["size"])).total / MIB  # as a training says it
    net = build(spec)
    criterion = make_criterion(config.loss, None, 255, fabric.device)
    updater = Updater(config, fabric, net, BACKBONES[spec.backbone].preprocessing, criterion, 1000)

    def step(photo, mask):
        images = torch.from_numpy(photo.copy()).expand(batch, *photo.shape)
        masks = torch.from_numpy(mask).expand(batch, *mask.shape)
        updater.step(Batch(0, images, masks, ["photo"] * batch))

    worker.train(job, step, foretold=foretold)


if __name__ == "__main__":
    main()
