"""The dotted keys of a config: which there are, what typed values mean, and errors about them."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fullconv.errors import UserError, printable
from fullconv.training.config.config import Config
from fullconv.training.losses import KINDS

SHOWN = 60  # characters of a value in a message


LONGEST = 400  # characters of a message about a key


LONGEST_OF_ALL = 2000  # characters of the messages about all keys


ALIASES = {
    "amp": "compute.precision",
    "arch": "net.name",
    "backbone": "net.name",
    "batch": "schedule.batch_size",
    "bf16": "compute.precision",
    "bs": "schedule.batch_size",
    "crop_size": "augment.crop",
    "dataset": "data.path",
    "early_stopping": "schedule.patience",
    "epoch": "schedule.epochs",
    "flip": "augment.hflip",
    "fp16": "compute.precision",
    "gpus": "compute.devices",
    "grad_accum": "schedule.accumulate",
    "gradient_accumulation": "schedule.accumulate",
    "gradient_clip": "optimizer.clip",
    "grad_clip": "optimizer.clip",
    "image_size": "augment.crop",
    "img_size": "augment.crop",
    "imgsz": "augment.crop",
    "iterations": "schedule.steps",
    "iters": "schedule.steps",
    "learning_rate": "optimizer.lr",
    "lr0": "optimizer.lr",
    "max_steps": "schedule.steps",
    "model": "net.name",
    "num_workers": "data.workers",
    "optim": "optimizer.kind",
    "pretrained": "net.weights",
    "rate": "optimizer.lr",
    "random_seed": "seed",
    "scheduler": "optimizer.lr_schedule",
    "warmup_steps": "optimizer.warmup",
    "wd": "optimizer.weight_decay",
}
"""Usual words of other tools, and the key that means the same here."""


def value_of(key: str, text: str) -> Any:
    """The value of a typed text: TOML where it is that, `none` as unset, else the text itself.

    Names and paths stay text, also one that reads as a number or a date.
    """
    kind = _kind(key)
    if text.lower() == "none" and "none" not in _choices(kind):
        return None
    if kind in (str, str | None):
        return text
    if str in get_args(kind) and not text.startswith("["):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _choices(kind: Any) -> list[Any]:
    """The words of its literals; `none` is also a text."""
    if kind is str:
        return ["none"]
    return [word for part in (kind, *get_args(kind)) for word in get_args(part)]


def _kind(key: str) -> Any:
    """The declared type of a dotted key; None for an unknown one."""
    model: Any = Config
    parts = key.split(".")
    if parts[0] == "loss" and len(parts) > 1:
        model, parts = KINDS.get(parts[1]), parts[2:]
    for part in parts:
        fields = getattr(model, "model_fields", {})
        model = fields[part].annotation if part in fields else None
    return model


def checked_config(values: dict[str, Any], source: str) -> Config:
    """The config of ``values``; UserError naming the ``source`` with all errors at once."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        errors = error.errors()
        message = printable("; ".join(map(_message, _by_key(errors)[:SHOWN])), LONGEST_OF_ALL)
        unknown = any(e["type"] == "extra_forbidden" for e in errors)
        code = "FC-CONFIG-004" if unknown else "FC-CONFIG-003"
        raise UserError(f"{source}: {message}", code) from None
    except (OverflowError, RecursionError) as error:
        raise UserError(f"{source}: {error}", "FC-CONFIG-003") from None


def _by_key(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The errors, those of one key that may be of several types as one.

    pydantic has one for each type, whose name stands behind the key: ('optimizer', 'lr', 'float').
    """
    merged: dict[tuple[str | int, ...], dict[str, Any]] = {}
    for error in errors:
        place = tuple(error["loc"])
        while len(place) > 1 and _is_type(place[-1]):
            place = place[:-1]
        if (first := merged.setdefault(place, {**error, "loc": place}))["msg"] != error["msg"]:
            first["msg"] += f" or {error['msg'].removeprefix('Input should be ')}"
    return list(merged.values())


def _is_type(part: str | int) -> bool:
    """Whether a part of a place names a type and no key."""
    return isinstance(part, str) and (not part.isidentifier() or part in ("float", "int", "bool"))


def _message(error: Mapping[str, Any]) -> str:
    """An error of pydantic in words, with the value cut to a few characters."""
    where = [str(part) for part in error["loc"]]
    if where[:1] == ["loss"]:  # terms are named by their kind, not by their number
        where = where[:1] + where[2:]
    section = error["input"]
    if error["type"] == "extra_forbidden" and isinstance(section, dict) and section:
        where.append(str(next(iter(section))))  # the key is meant, whose section there is not
    name = printable(".".join(where), SHOWN)
    if error["type"] == "extra_forbidden":
        return f"{name}: no such key{similar_key(where)}"
    message = printable(error["msg"].removeprefix("Value error, "), LONGEST)
    is_section = isinstance(error["input"], dict) or name == "loss"
    value = "" if is_section else f" (it is {_shown(error['input'])})"
    return f"{name}: {message}{value}" if name else message


def _shown(value: Any) -> str:
    """A value of the config for a message."""
    try:
        return printable(repr(value), SHOWN)
    except (ValueError, RecursionError):  # a number of 5,000 digits
        return "too long to be shown"


RENAMED = {"machine": "compute"}
"""Sections of earlier versions, and what they are called now."""


def similar_key(where: list[str]) -> str:
    """The end of a message about an unknown key: ", did you mean KEY?"; "" where none is similar.

    The key is an alias from another tool, has the same last part, or is spelt almost the same.
    """
    if where[0] in RENAMED:
        return f", it is now {'.'.join([RENAMED[where[0]], *where[1:]])[:SHOWN]}"
    last, key = where[-1].lower()[:SHOWN], ".".join(where)[:SHOWN]
    known = list(keys())
    if where[0] == "loss":  # of any kind, an option of that name
        known = [k for k in known if k.endswith(f".{last}")] or known
    same = [k for k in known if k.rpartition(".")[2] == last]
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    ends = difflib.get_close_matches(last, [k.rpartition(".")[2] for k in known], n=1, cutoff=0.75)
    by_end = [k for k in known if ends and k.rpartition(".")[2] == ends[0]]
    sections = difflib.get_close_matches(key, Config.model_fields, n=1, cutoff=0.5)
    candidates = [*same[:1], *filter(None, [ALIASES.get(last)]), *close, *by_end[:1], *sections]
    return f", did you mean {candidates[0]}?" if candidates else ""


def flat(config: Config) -> dict[str, Any]:
    """Every value by its dotted key, before any changes; the terms of the loss by their kind."""
    values = config.model_dump(exclude={"changes"})
    sections = {name: value for name, value in values.items() if isinstance(value, dict)}
    for term in values.pop("loss"):
        kind = term.pop("kind")
        sections[f"loss.{kind}" + (f".{term['name']}" if "name" in term else "")] = term
    flattened = {name: value for name, value in values.items() if name not in sections}
    for section, options in sections.items():
        flattened |= {f"{section}.{key}": value for key, value in options.items()}
    return flattened


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterable[str]:
    """Every key of the config in dotted form."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if name == "changes":  # which a resume writes
            continue
        if name == "loss":
            for of_kind, term in KINDS.items():
                yield from (f"loss.{of_kind}.{key}" for key in term.model_fields if key != "kind")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
