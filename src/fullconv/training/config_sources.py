"""How a config comes about: from a recipe or a run's file, changed key by key."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fullconv.errors import UserError
from fullconv.recipes import recipe_text
from fullconv.training.config import Config
from fullconv.training.losses import KINDS, Term, checked

CROSS_ENTROPY = "cross_entropy"  # the loss of a config that names none


def make_config(recipe: str = "default", overrides: Mapping[str, Any] | None = None) -> Config:
    """A recipe with some keys changed: ``{"optimizer.lr": 0.01, "seed": 1}``.

    Values may be text, as typed on a command line. Of ``steps``, ``epochs`` and ``time`` one
    replaces the others. A term of the loss is named by its kind: ``{"loss.dice.weight": 0.5}`` sets
    its weight, or adds it, ``{"loss.jaccard": None}`` leaves it out; ``loss`` replaces all terms.
    Raises UserError with all errors at once.
    """
    values = tomllib.loads(recipe_text(recipe)) | {"recipe": recipe}
    return _validated(_changed(values, overrides or {}), f"recipe {recipe}")


def read_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """The config of a run (``config.toml``); UserError when missing or faulty."""
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such file; is this the folder of a run? To start one: "
            "fullconv train DATA --out runs/first"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: is no readable TOML ({error})") from error
    return _validated(_changed(values, overrides or {}), str(path))


def with_loss(config: Config, terms: Sequence[Term]) -> Config:
    """The config with other terms of the loss; UserError where they do not go together."""
    try:
        checked(terms)
    except ValueError as error:
        raise UserError(f"loss: {error}") from None
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
                raise UserError(f"{key}: {section!r} is no section of the config")
        place[last] = _typed(key, value) if isinstance(value, str) else value
        lengths = {"steps", "epochs", "time"}
        if sections == ["schedule"] and last in lengths:
            for other in lengths - {k.split(".")[-1] for k in overrides}:
                place.pop(other, None)
    return values


def _with_term(values: Mapping[str, Any], key: str, value: Any) -> Any:
    """The terms of the loss with one changed, added or, for `loss.KIND` None, left out."""
    terms = values.get("loss", [{"kind": CROSS_ENTROPY}])
    if not isinstance(terms, list) or not all(isinstance(term, dict) for term in terms):
        return terms  # which the validation tells
    _, kind, *options = key.split(".")
    if len(options) > 1 or kind not in KINDS:
        raise UserError(f"{key}: no such key{_near(['loss', (options or [kind])[-1]])}")
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
            f"{key}.weight=0.5; {key}=none leaves it out"
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
    except tomllib.TOMLDecodeError:
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
        errors = "; ".join(_fault(e) for e in error.errors())
        raise UserError(f"{source}: {errors}") from None


def _fault(error: Mapping[str, Any]) -> str:
    where = [str(part) for part in error["loc"]]
    if where[:1] == ["loss"]:  # terms are named by their kind, not by their number
        where = where[:1] + where[2:]
    if error["type"] == "extra_forbidden":
        return f"{'.'.join(where)}: no such key{_near(where)}"
    name = ".".join(where)
    message = error["msg"].removeprefix("Value error, ")
    is_section = isinstance(error["input"], dict) or name == "loss"
    given = "" if is_section else f" (it is {error['input']!r})"
    return f"{name}: {message}{given}" if name else message


def _near(where: list[str]) -> str:
    known = list(keys() if len(where) > 1 else Config.model_fields)
    if where[0] == "loss":  # of any kind, an option of that name
        known = [key for key in known if key.endswith(f".{where[-1]}")] or known
    close = difflib.get_close_matches(".".join(where), known, n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""


def flat(config: Config) -> dict[str, Any]:
    """Every value by its dotted key; the terms of the loss by their kind."""
    values = config.model_dump()
    sections = {name: each for name, each in values.items() if isinstance(each, dict)}
    for term in values.pop("loss"):
        kind = term.pop("kind")
        sections[f"loss.{kind}" + (f".{term['name']}" if "name" in term else "")] = term
    flattened = {name: each for name, each in values.items() if name not in sections}
    for section, options in sections.items():
        flattened |= {f"{section}.{key}": value for key, value in options.items()}
    return flattened


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterable[str]:
    """Every key of the config in dotted form."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if name == "loss":
            for of_kind, term in KINDS.items():
                yield from (f"loss.{of_kind}.{key}" for key in term.model_fields if key != "kind")
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
