"""The web form: one page that holds the net and its runtime, and segments photos in a browser."""

from fullconv.exporting.web.page import WebPage
from fullconv.exporting.web.runtime import fetch_runtime

__all__ = ["WebPage", "fetch_runtime"]
