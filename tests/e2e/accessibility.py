"""What axe-core, the usual checker of web pages, finds on a page that is open in the browser."""

import pytest

SERIOUS = ("serious", "critical")


def serious_findings(page):
    """Its serious findings as lines of rule, element and reason; a skip where it is missing."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python"
    )
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:160]}: {node['failureSummary'][:300]}"
        for rule in found
        if rule["impact"] in SERIOUS
        for node in rule["nodes"]
    ]
