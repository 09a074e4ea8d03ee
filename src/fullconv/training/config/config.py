"""The config of a run: everything that decides it, validated at once and saved with the run."""

from typing import Annotated, Any, Self

import tomli_w
from pydantic import Field, field_validator, model_validator

from fullconv.modalities import channels_of, streams_of
from fullconv.models import NetSpec
from fullconv.training.config.sections_and_defaults import (
    Augment,
    Compute,
    CountFromZero,
    Data,
    Logging,
    Net,
    Optimizer,
    Schedule,
    Section,
    Task,
)
from fullconv.training.losses import AnyTerm, CrossEntropy, checked


class Change(Section):
    """A change by a resume: the values of ``set``, by their dotted keys, from ``step`` on."""

    step: CountFromZero
    set: dict[str, Any]


class Config(Section):
    """A run is a pure function of the data and of this.

    ``loss`` are the terms whose weighted sum is trained (`training.losses`). ``changes`` are what
    a resume has changed, in their order: a run that begins with them applies each at its step, and
    so repeats the one that was changed on the way (`config_sources.config_at`).
    """

    recipe: str = "default"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    stages: tuple[int, ...] = ()
    stage_rates: tuple[float, ...] = ()
    data: Data = Data()
    net: Net = Net()
    schedule: Schedule = Schedule(steps=2000)
    optimizer: Optimizer = Optimizer()
    loss: tuple[AnyTerm, ...] = (CrossEntropy(),)
    augment: Augment = Augment()
    task: Task = Task()
    logging: Logging = Logging()
    compute: Compute = Compute()
    changes: tuple[Change, ...] = ()

    @field_validator("changes")
    @classmethod
    def _in_order(cls, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        steps = [change.step for change in changes]
        if steps != sorted(set(steps)):
            raise ValueError("the steps of [[changes]] must increase")
        return changes

    @field_validator("loss", mode="before")
    @classmethod
    def _terms(cls, terms: Any) -> Any:
        return checked(terms)

    @field_validator("stages")
    @classmethod
    def _descending(cls, stages: tuple[int, ...]) -> tuple[int, ...]:
        if any(s not in (32, 16, 8, 4, 2) for s in stages) or list(stages) != sorted(
            set(stages), reverse=True
        ):
            raise ValueError("stages are strides from coarse to fine, as 32,16,8")
        return stages

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.stage_rates and len(self.stage_rates) != len(self.stages):
            raise ValueError("stage_rates needs one factor for each of stages")
        if self.stages and "-atonce-" in self.net.name:
            raise ValueError(f"{self.net.name} trains all strides at once and has no stages")
        if self.stages and "-deconv-" in self.net.name:
            raise ValueError(
                f"{self.net.name} learns its upsampling for all strides together and has no stages"
            )
        if self.stages and self.net.name.startswith("fpn"):
            raise ValueError(
                f"{self.net.name} fuses features, so it cannot start as the net of the stage "
                "before: stages are for heads that add scores (fcn8s and so on)"
            )
        return self

    def spec(self, classes: int) -> NetSpec:
        """The net's spec for so many classes."""
        n = self.net
        return NetSpec(
            name=n.name,
            classes=classes,
            padding=n.padding,
            streams=tuple(channels_of(kinds) for kinds in streams_of(self.data.inputs)),
            width=n.width,
            dropout=n.dropout,
            learn_upsampling=n.learn_upsampling,
        )

    def stage(self, number: int, weights: str | tuple[str, ...]) -> "Config":
        """The config of one of the ``stages``: its stride, its rate, and what it starts from."""
        name = f"fcn{self.stages[number]}s-{self.spec(2).backbone}"
        factor = self.stage_rates[number] if self.stage_rates else 1.0
        optimizer = self.optimizer.model_copy(update={"lr": self.optimizer.full_lr * factor})
        net = self.net.model_copy(update={"name": name, "weights": weights})
        return self.model_copy(
            update={"stages": (), "stage_rates": (), "net": net, "optimizer": optimizer}
        )

    def to_toml(self) -> str:
        """The whole config as TOML; keys that are not set are left out."""
        left_out = set() if self.changes else {"changes"}
        return tomli_w.dumps(_plain(self.model_dump(exclude_none=True, exclude=left_out)))


def _plain(value: Any) -> Any:
    """Tuples as lists, for TOML."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
