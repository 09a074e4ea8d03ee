"""The folder that is uploaded: the net, what decided its training, its scores and a model card."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from fullconv.atomic import write_atomically
from fullconv.checkpoints import Checkpoint, load, save
from fullconv.errors import UserError
from fullconv.publishing.card import model_card
from fullconv.report.run_files import read_run

SAMPLE = "sample.jpg"


def model_folder(
    run: str | Path, repo: str, out: str | Path, licence: str = "", samples: bool = False
) -> Path:
    """Write into the new or empty folder ``out`` what a Hub repository ``repo`` of ``run`` holds.

    README.md, model.safetensors, config.toml and, where the run validated, scores.json; with
    ``samples`` its newest sheet of photos with masks. Folders in the path of the data stay out of
    them. Raises UserError for what is no run, a run without a model yet, and a folder in use.
    """
    run, out = Path(run), Path(out)
    check_repo(repo)
    files = read_run(run)
    checkpoint = load(run)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: is there already; name a new folder", "FC-FILE-006")
    sheet = files.samples[-1] if samples and files.samples else None
    if samples and sheet is None:
        raise UserError(f"{run}: has no samples to upload; leave out --samples", "FC-EXPORT-011")
    out.mkdir(parents=True, exist_ok=True)
    origin = {**checkpoint.origin, "data": _last(checkpoint.origin.get("data", ""))}
    made = Checkpoint(checkpoint.net, checkpoint.classes, checkpoint.preprocessing, origin)
    save(out / "model.safetensors", made)
    write_atomically(out / "config.toml", tomli_w.dumps(_public(files.config_text)))
    if files.scores is not None:
        write_atomically(out / "scores.json", json.dumps(files.scores_file, indent=1))
    if sheet:
        write_atomically(out / SAMPLE, sheet.read_bytes())
    card = model_card(files, repo, licence, SAMPLE if sheet else "")
    write_atomically(out / "README.md", card)
    return out


def check_repo(repo: str) -> None:
    """UserError unless ``repo`` is OWNER/REPO."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", repo):
        raise UserError(f"{repo!r} is not OWNER/REPO, as jane/street-scenes", "FC-EXPORT-011")


def _public(text: str) -> dict[str, Any]:
    """The config with the names of files and folders, not where they lie on this machine."""
    config = tomllib.loads(text)
    for section, key in (("data", "path"), ("data", "classes"), ("net", "weights")):
        part = config.get(section, {})
        if not isinstance(part, dict):
            continue
        if isinstance(part.get(key), str):
            part[key] = _last(part[key])
        elif isinstance(part.get(key), list):
            part[key] = [_last(each) for each in part[key]]
    return config


def _last(path: Any) -> str:
    """The last part of a path; names of the Hub and of published weights whole."""
    text = str(path)
    return text if text.startswith(("hf:", "timm:")) else last_part(text)


def last_part(path: str) -> str:
    r"""What stands behind the last / or \ of a path, on whatever system it was written."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]
