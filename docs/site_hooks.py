"""What MkDocs asks while it builds the site: generated pages, and the pages beside docs/.

The reference is made at each build, from the commands' help and from docstrings, and never stored.
README, CONTRIBUTING and CHANGELOG lie where GitHub looks for them; here they are pages as well, and
the links between them and docs/ are turned to where the pages are.
"""

import os
import re
import sys
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))
import reference_pages

ROOT = Path(__file__).resolve().parents[1]
BESIDE = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md"}
BESIDE["CHANGELOG.md"] = "changelog.md"
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")


def on_files(files, config):
    """Add the generated pages, and those that lie beside docs/."""
    pages = {name: (ROOT / file).read_text("utf-8") for file, name in BESIDE.items()}
    pages["reference/cli.md"] = reference_pages.commands()
    pages["reference/python.md"] = reference_pages.python()
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn the links that leave docs/, or come from beside it, to pages of the site."""
    name = page.file.src_uri
    home = {page: file for file, page in BESIDE.items()}.get(name, f"docs/{name}")
    here = os.path.dirname(home)
    return LINK.sub(lambda link: turned(link[1], here, os.path.dirname(name)), markdown)


def turned(link, here, folder):
    """A link of a file in the folder ``here`` of the project, as a page in ``folder`` writes it."""
    target = os.path.normpath(os.path.join(here, link)).replace(os.sep, "/")
    place = BESIDE.get(target) or target.removeprefix("docs/")
    return os.path.relpath(place, folder or ".").replace(os.sep, "/")
