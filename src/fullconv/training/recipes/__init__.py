"""The recipes that come with fullconv, as text: what can be listed without loading torch."""

from pathlib import Path

from fullconv.errors import UserError, did_you_mean

RECIPES = Path(__file__).parent
RECOMMENDED = {
    "default": "own photos: pretrained weights give the best score in the shortest time",
    "scratch": "own photos, where pretrained weights may not be used",
    "demo": "a first try: generated photos, three minutes, nothing downloaded",
}
"""The three to choose from first, and for what."""


def recipe_names() -> list[str]:
    """Names of the recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def recipe_text(name: str) -> str:
    """The recipe's file: its head says paper, command, cost and expected score.

    UserError with the nearest names where there is no such recipe.
    """
    names = recipe_names()
    if name not in names:
        hint = did_you_mean(name, names) or f"there are {', '.join(names)}"
        raise UserError(
            f"no recipe is called {name[:100]!r}: {hint} ('fullconv recipes' lists all)",
            "FC-CONFIG-001",
        )
    return (RECIPES / f"{name}.toml").read_text(encoding="utf-8")


def recipe_summary(name: str) -> str:
    """The first line of the recipe: what it is."""
    return recipe_text(name).splitlines()[0].lstrip("# ")
