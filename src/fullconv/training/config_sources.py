"""How a config comes about: from a recipe or a run's file, changed key by key."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fullconv.atomic import file_error
from fullconv.errors import UserError, printable
from fullconv.legacy_text import how_to_convert
from fullconv.text_files import decode_text
from fullconv.training.config import Change, Config
from fullconv.training.losses import KINDS, Term, checked
from fullconv.training.recipes import recipe_text

CROSS_ENTROPY = "cross_entropy"  # the loss of a config that names none
LENGTHS = {"steps", "epochs", "time"}  # of the schedule: one replaces the others
SHOWN = 60  # characters of a value in a message
LONGEST = 400  # characters of a message about a key
LONGEST_OF_ALL = 2000  # characters of the messages about all keys

ALIASES = {
    "amp": "machine.precision",
    "arch": "net.name",
    "backbone": "net.name",
    "batch": "schedule.batch_size",
    "bf16": "machine.precision",
    "bs": "schedule.batch_size",
    "crop_size": "augment.crop",
    "dataset": "data.path",
    "early_stopping": "schedule.patience",
    "epoch": "schedule.epochs",
    "flip": "augment.hflip",
    "fp16": "machine.precision",
    "gpus": "machine.devices",
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


def make_config(recipe: str = "default", overrides: Mapping[str, Any] | None = None) -> Config:
    """A recipe with some keys changed: ``{"optimizer.lr": 0.01, "seed": 1}``.

    Values may be text, as typed on a command line. Of ``steps``, ``epochs`` and ``time`` one
    replaces the others. A term of the loss is named by its kind: ``{"loss.dice.weight": 0.5}`` sets
    its weight, or adds it, ``{"loss.jaccard": None}`` leaves it out; ``loss`` replaces all terms.
    Raises UserError with all errors at once.
    """
    values = parsed(recipe_text(recipe), f"recipe {recipe}") | {"recipe": recipe}
    return _validated(_changed(values, overrides or {}), f"recipe {recipe}")


def is_file(recipe: str) -> bool:
    """Whether a recipe is named by the path of its file."""
    return recipe.endswith(".toml") or "/" in recipe


def config_of(recipe: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """As `make_config`; of a recipe's name, or of a TOML file as `read_config`."""
    return (read_config if is_file(recipe) else make_config)(recipe, overrides)


def changed(config: Config, overrides: Mapping[str, Any]) -> Config:
    """A whole config with some keys changed, as `make_config`."""
    if not overrides:
        return config
    return _validated(_changed(config.model_dump(exclude_none=True), overrides), "config")


def overrides_of(
    keywords: Mapping[str, Any], overrides: Mapping[str, Any] | None
) -> dict[str, Any]:
    """``overrides`` with the ``keywords`` that are given, by their keys; UserError for both."""
    given = {key: value for key, value in keywords.items() if value is not None}
    twice = given.keys() & (overrides or {}).keys()
    if twice:
        raise UserError(f"{min(twice)}: is given twice, by name and in overrides", "FC-CONFIG-003")
    return given | dict(overrides or {})


def read_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """The config of a run (``config.toml``); UserError when missing or faulty."""
    return _validated(_changed(_read(path), overrides or {}), printable(str(path)))


def _read(path: str | Path) -> dict[str, Any]:
    name = printable(str(path))
    try:
        content = Path(path).read_bytes()
        text = decode_text(content)
    except FileNotFoundError as error:
        raise UserError(
            f"{name}: no such file; is this the folder of a run? To start one: "
            "fullconv train DATA --out runs/first",
            "FC-FILE-003",
        ) from error
    except OSError as error:
        raise file_error(error, path) from error
    except UnicodeDecodeError as error:
        what, fix = how_to_convert(content, str(path))
        raise UserError(f"{name}: {what}; {fix}", "FC-CONFIG-002") from error
    return parsed(text, name)


def parsed(text: str, source: str) -> dict[str, Any]:
    """TOML as a dictionary; UserError naming the ``source`` for whatever is none."""
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except (ValueError, RecursionError, OverflowError) as error:  # also numbers of 5,000 digits
        reason = printable(str(error), LONGEST)
        raise UserError(f"{source}: is no readable TOML ({reason})", "FC-CONFIG-002") from error


def config_at(config: Config, step: int) -> Config:
    """The config that decides the steps from ``step`` on, to the next of its ``changes``."""
    values = config.model_dump(exclude={"changes"}, exclude_none=True)
    for change in config.changes:
        if change.step <= step:
            values = _changed(values, change.set)
    return _validated(values, "changes")


def with_change(config: Config, step: int, changed: Mapping[str, Any]) -> Config:
    """The config with keys ``changed`` from ``step`` on; from the beginning where that is 0.

    None as a value unsets a key.
    """
    plain = {key: "none" if value is None else value for key, value in changed.items()}
    if step == 0:
        values = _changed(config.model_dump(exclude_none=True), plain)
        return _validated(values, "changes")
    before = [change for change in config.changes if change.step < step]
    same = {k: v for change in config.changes if change.step == step for k, v in change.set.items()}
    return config.model_copy(update={"changes": (*before, Change(step=step, set=same | plain))})


def with_loss(config: Config, terms: Sequence[Term]) -> Config:
    """The config with other terms of the loss; UserError where they do not go together."""
    try:
        checked(terms)
    except ValueError as error:
        raise UserError(f"loss: {error}", "FC-CONFIG-003") from None
    return config.model_copy(update={"loss": tuple(terms)})


def _changed(values: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in overrides.items():
        *sections, last = key.split(".")
        if sections[:1] == ["loss"]:
            values["loss"] = _with_term(values, key, value)
            continue
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UserError(
                    f"{printable(key, SHOWN)}: {printable(section, SHOWN)!r} is no section of the "
                    "config",
                    "FC-CONFIG-004",
                )
        place[last] = _typed(key, value) if isinstance(value, str) else value
        if sections == ["schedule"] and last in LENGTHS:
            for other in LENGTHS - {k.split(".")[-1] for k in overrides}:
                place.pop(other, None)
    return values


def _with_term(values: Mapping[str, Any], key: str, value: Any) -> Any:
    """The terms of the loss with one changed, added or, for `loss.KIND` None, left out."""
    terms = values.get("loss", [{"kind": CROSS_ENTROPY}])
    if not isinstance(terms, list) or not all(isinstance(term, dict) for term in terms):
        return terms  # which the validation tells
    _, kind, *options = key.split(".")
    if len(options) > 1 or kind not in KINDS:
        hint = _near(["loss", (options or [kind])[-1]])
        raise UserError(f"{printable(key, SHOWN)}: no such key{hint}", "FC-CONFIG-004")
    value = _typed(key, value) if isinstance(value, str) else value
    if options:
        present = any(term.get("kind") == kind for term in terms)
        changed = [
            term | {options[0]: value} if term.get("kind") == kind else term for term in terms
        ]
        return changed if present else [*terms, {"kind": kind, options[0]: value}]
    if value is not None:
        raise UserError(
            f"{key}: is a term of the loss, whose options are set one by one, as "
            f"{key}.weight=0.5; {key}=none leaves it out",
            "FC-CONFIG-003",
        )
    return [term for term in terms if term.get("kind") != kind]


def _typed(key: str, text: str) -> Any:
    """What a typed value means: TOML where it is that, `none` as unset, else the text itself.

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


def _validated(values: dict[str, Any], source: str) -> Config:
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        errors = error.errors()
        message = printable("; ".join(_message(e) for e in errors[:SHOWN]), LONGEST_OF_ALL)
        unknown = any(e["type"] == "extra_forbidden" for e in errors)
        code = "FC-CONFIG-004" if unknown else "FC-CONFIG-003"
        raise UserError(f"{source}: {message}", code) from None
    except (OverflowError, RecursionError) as error:
        raise UserError(f"{source}: {error}", "FC-CONFIG-003") from None


def _message(error: Mapping[str, Any]) -> str:
    """What pydantic says of a value, in words; the value itself cut to a few characters."""
    where = [str(part) for part in error["loc"]]
    if where[:1] == ["loss"]:  # terms are named by their kind, not by their number
        where = where[:1] + where[2:]
    section = error["input"]
    if error["type"] == "extra_forbidden" and isinstance(section, dict) and section:
        where.append(str(next(iter(section))))  # the key is meant, whose section there is not
    name = printable(".".join(where), SHOWN)
    if error["type"] == "extra_forbidden":
        return f"{name}: no such key{_near(where)}"
    message = printable(error["msg"].removeprefix("Value error, "), LONGEST)
    is_section = isinstance(error["input"], dict) or name == "loss"
    given = "" if is_section else f" (it is {_shown(error['input'])})"
    return f"{name}: {message}{given}" if name else message


def _shown(value: Any) -> str:
    """A value of the config for a message."""
    try:
        return printable(repr(value), SHOWN)
    except (ValueError, RecursionError):  # a number of 5,000 digits
        return "too long to be shown"


def _near(where: list[str]) -> str:
    """What an unknown key is most likely to mean, as the end of a message; empty without an idea.

    A usual word of another tool, a key with the same last part, or one that is spelt alike.
    """
    last, key = where[-1].lower()[:SHOWN], ".".join(where)[:SHOWN]
    known = list(keys())
    if where[0] == "loss":  # of any kind, an option of that name
        known = [k for k in known if k.endswith(f".{last}")] or known
    same = [k for k in known if k.rpartition(".")[2] == last]
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    ends = difflib.get_close_matches(last, [k.rpartition(".")[2] for k in known], n=1, cutoff=0.75)
    by_end = [k for k in known if ends and k.rpartition(".")[2] == ends[0]]
    sections = difflib.get_close_matches(key, Config.model_fields, n=1, cutoff=0.5)
    ideas = [*same[:1], *filter(None, [ALIASES.get(last)]), *close, *by_end[:1], *sections]
    return f", did you mean {ideas[0]}?" if ideas else ""


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
