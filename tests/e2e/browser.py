"""The browser of this machine: Playwright's own, or one that is installed."""

import os
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium(playwright, *arguments):
    """A running Chromium; a skip that says what to do where there is none."""
    own = Path(playwright.chromium.executable_path)
    found = [os.environ.get("FULLCONV_BROWSER"), str(own) if own.is_file() else None]
    found += map(shutil.which, NAMES)
    path = next((each for each in found if each), None)
    if path is None:
        pytest.skip(
            "no Chromium: playwright install chromium, apt install chromium, or FULLCONV_BROWSER"
        )
    # In a container the sandbox of Chromium cannot be set up by root.
    sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=[*sandbox, *arguments])
