"""A run on the Hugging Face Hub: the folder for it (net, config, scores, card), and its upload."""

import json
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from fullconv.checkpoints import Checkpoint, load, save
from fullconv.checkpoints.hub import endpoint
from fullconv.download.cache import OFFLINE, is_offline
from fullconv.errors import UserError
from fullconv.files.atomic import write_atomically
from fullconv.publishing.model_card import model_card
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
    checkpoint_of_repo = Checkpoint(
        checkpoint.net,
        checkpoint.classes,
        checkpoint.preprocessing,
        origin,
        calibration=checkpoint.calibration,
    )
    save(out / "model.safetensors", checkpoint_of_repo)
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
            part[key] = [_last(path) for path in part[key]]
    return config


def _last(path: Any) -> str:
    """The last part of a path; names of the Hub and of published weights whole."""
    text = str(path)
    return text if text.startswith(("hf:", "timm:")) else last_part(text)


def last_part(path: str) -> str:
    r"""What stands behind the last / or \ of a path, on whatever system it was written."""
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def push(
    run: str | Path, repo: str, private: bool = False, licence: str = "", samples: bool = False
) -> str:
    """Upload ``run`` as the repository ``repo`` (OWNER/REPO), made where it is not; its address.

    What is uploaded is what `model_folder` writes. The token is the one that 'hf auth login' keeps,
    or HF_TOKEN. Raises UserError, in one line, without one, offline, and where the server refuses.
    """
    check_repo(repo)
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise UserError(
            "push needs huggingface_hub; pip install 'fullconv[hub]'", "FC-EXPORT-003"
        ) from None
    if is_offline():
        raise UserError(
            f"{OFFLINE} is set: nothing is uploaded; --dry-run DIR writes the folder",
            "FC-EXPORT-012",
        )
    with tempfile.TemporaryDirectory() as folder:
        folder_of_model = model_folder(run, repo, Path(folder) / "model", licence, samples)
        api = HfApi(endpoint=endpoint())
        try:
            api.create_repo(repo, private=True if private else None, exist_ok=True)
            api.upload_folder(
                repo_id=repo, folder_path=folder_of_model, commit_message="Upload by fullconv push"
            )
        except Exception as error:  # its own errors, its HTTP library's, and the system's
            raise UserError(f"{repo}: {_said(error)}", "FC-EXPORT-012") from error
    return f"{endpoint()}/{repo}"


def _said(error: Exception) -> str:
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return "the Hub wants a login that may write: 'hf auth login', or HF_TOKEN"
    if isinstance(error, HfHubHTTPError) and status == 403:
        return "your login may not write there; name a repository of your own"
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"cannot be uploaded to {endpoint()} ({first})"
