"""Progress in a notebook: one bar that is updated in place, as the live line of a terminal."""

import html
import sys
import time
from typing import Any

SECONDS = 0.25  # between two updates: each is a message to the browser


def in_notebook() -> bool:
    """Whether the code runs in a notebook's kernel (Jupyter, Colab, VS Code), not in a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


class ProgressBar:
    """A bar with a line of text; called with what is done and what there is in all, or `show`."""

    def __init__(self, label: str = "") -> None:
        from IPython.display import display

        self.label = label
        self._last = 0.0
        self._shown: Any = display(_Html(_bar(label, 0, 1)), display_id=True)

    def __call__(self, done: int, total: int) -> None:
        """Update the bar with numbers."""
        self.show(f"{self.label} {done}/{total}".strip(), done, total)

    def show(self, text: str, done: float, total: float) -> None:
        """A line of text and how far it is; shown at most four times a second, and at the end."""
        now = time.monotonic()
        if now - self._last >= SECONDS or done >= total:
            self._last = now
            self._shown.update(_Html(_bar(text, done, total)))


class _Html:
    """Shown as HTML by a notebook."""

    def __init__(self, content: str) -> None:
        self.content = content

    def __repr__(self) -> str:
        return "progress"

    def _repr_html_(self) -> str:
        return self.content


def _bar(text: str, done: float, total: float) -> str:
    style = "width:16em;vertical-align:middle;margin-right:.6em"
    return (
        f"<div style='font-variant-numeric:tabular-nums'><progress style='{style}' "
        f"value='{done:g}' max='{max(total, 1):g}' aria-label='progress'></progress>"
        f"{html.escape(text)}</div>"
    )
