"""The best checkpoint of a run by validation, with its scores and example photos."""

from collections.abc import Sequence
from typing import Any

from fullconv.checkpoints import Checkpoint, save
from fullconv.data import Source, by_split
from fullconv.training.config.config import Config
from fullconv.training.run.run_folder import Run
from fullconv.training.step import Updater
from fullconv.training.validation import Validation


class BestModel:
    """Writes ``model.safetensors`` of a run, and beside it ``scores.json`` and ``examples/``.

    ``origins`` describe the weights that the net started from, for the checkpoint's header.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        updater: Updater,
        source: Source,
        val: Source | None,
        origins: Sequence[dict[str, Any]],
    ) -> None:
        self.run, self.config, self.updater = run, config, updater
        self.source, self.val, self.origins = source, val, list(origins)

    def write(self, step: int, validation: Validation | None) -> None:
        """The net of this moment; without a ``validation`` no scores and no examples."""
        scores = validation.scores if validation else None
        classes = self.source.classes
        origin = {
            "recipe": self.config.recipe,
            "data": self.config.data.path or self.config.data.object,
            "photos": {name: len(split) for name, split in by_split(self.source, self.val).items()},
            "step": step,
            "val_mean_iu": scores.mean_iu if scores else None,
            "weights": self.origins,
        }
        net, preprocessing = self.updater.eval_net, self.updater.preprocessing
        save(self.run.model, Checkpoint(net, classes, preprocessing, origin))
        if validation is None:
            return
        self.run.write_scores(validation.scores, step)
        assert validation.best_and_worst is not None
        validation.best_and_worst.write(self.run.folder, classes.flat.outputs[0].classes, step)
