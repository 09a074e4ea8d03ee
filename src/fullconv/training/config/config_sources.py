"""How a config comes about: from a recipe or a run's file, changed key by key."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fullconv.errors import UserError, printable
from fullconv.files.file_errors import file_error
from fullconv.legacy_text import how_to_convert
from fullconv.parsing import decode_text, parser_errors
from fullconv.training.config.config import Change, Config
from fullconv.training.config.config_keys import SHOWN, checked_config, similar_key, value_of
from fullconv.training.losses import KINDS, Term, checked
from fullconv.training.recipes import recipe_text

CROSS_ENTROPY = "cross_entropy"  # the loss of a config that names none
LENGTHS = {"steps", "epochs", "time"}  # of the schedule: one replaces the others


def make_config(recipe: str = "default", overrides: Mapping[str, Any] | None = None) -> Config:
    """A recipe with some keys changed: ``{"optimizer.lr": 0.01, "seed": 1}``.

    Values may be text, as typed on a command line. Of ``steps``, ``epochs`` and ``time`` one
    replaces the others. A term of the loss is named by its kind: ``{"loss.dice.weight": 0.5}`` sets
    its weight, or adds it, ``{"loss.jaccard": None}`` leaves it out; ``loss`` replaces all terms.
    Raises UserError with all errors at once.
    """
    values = parsed(recipe_text(recipe), f"recipe {recipe}") | {"recipe": recipe}
    return checked_config(_changed(values, overrides or {}), f"recipe {recipe}")


def is_file(recipe: str) -> bool:
    """Whether a recipe is named by the path of its file."""
    return recipe.endswith(".toml") or "/" in recipe


def config_of(recipe: str, overrides: Mapping[str, Any] | None = None) -> Config:
    """As `make_config`; of a recipe's name, or of a TOML file as `read_config`."""
    return (read_config if is_file(recipe) else make_config)(recipe, overrides)


def with_overrides(config: Config, overrides: Mapping[str, Any]) -> Config:
    """A whole config with some keys changed, as `make_config`."""
    if not overrides:
        return config
    return checked_config(_changed(config.model_dump(exclude_none=True), overrides), "config")


def overrides_of(
    keywords: Mapping[str, Any], overrides: Mapping[str, Any] | None
) -> dict[str, Any]:
    """``overrides`` with the ``keywords`` that are given, by their keys; UserError for both."""
    passed = {key: value for key, value in keywords.items() if value is not None}
    twice = passed.keys() & (overrides or {}).keys()
    if twice:
        raise UserError(f"{min(twice)}: is given twice, by name and in overrides", "FC-CONFIG-003")
    return passed | dict(overrides or {})


def read_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """The config of a run (``config.toml``); UserError when missing or faulty."""
    return checked_config(_changed(_read(path), overrides or {}), printable(str(path)))


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
    with parser_errors(source, "is not valid TOML", "FC-CONFIG-002", "correct it"):
        return tomllib.loads(text.replace("\r\n", "\n"))


def config_at(config: Config, step: int) -> Config:
    """The config that decides the steps from ``step`` on, to the next of its ``changes``."""
    values = config.model_dump(exclude={"changes"}, exclude_none=True)
    for change in config.changes:
        if change.step <= step:
            values = _changed(values, change.set)
    return checked_config(values, "changes")


def with_change(config: Config, step: int, changed: Mapping[str, Any]) -> Config:
    """The config with keys ``changed`` from ``step`` on; from the beginning where that is 0.

    None as a value unsets a key.
    """
    plain = {key: "none" if value is None else value for key, value in changed.items()}
    if step == 0:
        values = _changed(config.model_dump(exclude_none=True), plain)
        return checked_config(values, "changes")
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
        place[last] = value_of(key, value) if isinstance(value, str) else value
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
        hint = similar_key(["loss", (options or [kind])[-1]])
        raise UserError(f"{printable(key, SHOWN)}: no such key{hint}", "FC-CONFIG-004")
    value = value_of(key, value) if isinstance(value, str) else value
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
