"""How a config comes about: from a recipe or a run's file, changed key by key."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fullconv.errors import UserError
from fullconv.train.config import Config

RECIPES = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes that come with fullconv."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def recipe_text(name: str) -> str:
    """The recipe's file: its head says paper, command, cost and expected score."""
    path = RECIPES / f"{name}.toml"
    if name not in recipe_names():
        near = difflib.get_close_matches(name, recipe_names(), n=3, cutoff=0.3)
        hint = (
            f"did you mean {', '.join(near)}" if near else f"there are {', '.join(recipe_names())}"
        )
        raise UserError(f"no recipe is called {name!r}: {hint} ('fullconv recipes' lists all)")
    return path.read_text(encoding="utf-8")


def make_config(recipe: str = "default", overrides: Mapping[str, Any] | None = None) -> Config:
    """A recipe with some keys changed: ``{"optimiser.rate": 0.01, "seed": 1}``.

    Values may be text, as typed on a command line. Of ``steps``, ``epochs`` and ``time`` one
    replaces the others.
    Raises UserError with all faults at once.
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


def _changed(values: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in overrides.items():
        *sections, last = key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UserError(f"{key}: {section!r} is no section of the config")
        place[last] = _typed(key, value) if isinstance(value, str) else value
        lengths = {"steps", "epochs", "time"}
        if sections == ["length"] and last in lengths:
            for other in lengths - {k.split(".")[-1] for k in overrides}:
                place.pop(other, None)
    return values


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
    for part in key.split("."):
        fields = getattr(model, "model_fields", {})
        model = fields[part].annotation if part in fields else None
    return model


def _validated(values: dict[str, Any], source: str) -> Config:
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(_fault(e) for e in error.errors())
        raise UserError(f"{source}: {faults}") from None


def _fault(error: Mapping[str, Any]) -> str:
    where = [str(part) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        return f"{'.'.join(where)}: no such key{_near(where)}"
    name = ".".join(where)
    message = error["msg"].removeprefix("Value error, ")
    given = f" (it is {error['input']!r})" if not isinstance(error["input"], dict) else ""
    return f"{name}: {message}{given}" if name else message


def _near(where: list[str]) -> str:
    known = keys() if len(where) > 1 else Config.model_fields
    close = difflib.get_close_matches(".".join(where), list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""


def flat(config: Config) -> dict[str, Any]:
    """Every value by its dotted key."""
    found: dict[str, Any] = {}
    for name, value in config.model_dump().items():
        inner = value if isinstance(value, dict) else None
        found |= {f"{name}.{key}": v for key, v in inner.items()} if inner else {name: value}
    return found


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterable[str]:
    """Every key of the config in dotted form."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
