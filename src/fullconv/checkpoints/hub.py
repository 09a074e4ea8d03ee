"""Weights on the Hugging Face Hub: ``hf:OWNER/REPO[/FILE][@REVISION]``, and ``timm:NAME``.

Downloads, their cache (HF_HOME), tokens and the endpoint (HF_ENDPOINT) are huggingface_hub's own.
Nothing in a file is executed: it is read as any foreign file, or as a checkpoint of this project.
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from fullconv.download.cache import OFFLINE, is_offline
from fullconv.errors import UserError

HF, TIMM = "hf:", "timm:"
FILE = "model.safetensors"
FORM = "hf:OWNER/REPO, hf:OWNER/REPO/FILE or either with @REVISION behind"
_NAME = r"[A-Za-z0-9][\w.-]*"


@dataclass(frozen=True)
class HubFile:
    """One file of a repository; ``revision`` is a branch, a tag or a commit, None the newest."""

    repo: str
    file: str = FILE
    revision: str | None = None

    def __str__(self) -> str:
        file = "" if self.file == FILE else f"/{self.file}"
        return f"{HF}{self.repo}{file}" + (f"@{self.revision}" if self.revision else "")

    @property
    def address(self) -> str:
        """The page of the repository, where its model card states a licence."""
        return f"{endpoint()}/{self.repo}"


def is_hub_name(weights: str | Path) -> bool:
    """Whether ``weights`` names something on the Hub, rightly written or not."""
    return str(weights).startswith((HF, TIMM))


def endpoint() -> str:
    """HF_ENDPOINT, else huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def hub_file(weights: str | Path) -> HubFile:
    """The file that ``weights`` names; UserError where it is written in another way.

    A name of timm is looked up in timm's own registry, which must be installed.
    """
    text = str(weights)
    if text.startswith(TIMM):
        return _of_timm(text.removeprefix(TIMM))
    form = rf"{HF}({_NAME}/{_NAME})(?:/([^@]+))?(?:@(\S+))?"
    match = re.fullmatch(form, text)
    if match is None or ".." in text:
        raise UserError(f"{text}: is not {FORM}", "FC-WEIGHTS-015")
    return HubFile(match[1], match[2] or FILE, match[3])


def fetch_from_hub(weights: str | Path) -> Path:
    """The file, from huggingface_hub's cache or downloaded into it.

    FULLCONV_OFFLINE and HF_HUB_OFFLINE forbid downloads. Raises UserError, in one line, for a
    repository, revision or file that is not there, one that wants a login or an agreement, and
    where the server cannot be reached.
    """
    wanted = hub_file(weights)
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise UserError(
            f"{weights}: needs huggingface_hub; pip install 'fullconv[hub]'", "FC-WEIGHTS-013"
        ) from None
    offline = is_offline()
    try:
        return Path(
            hf_hub_download(
                wanted.repo,
                wanted.file,
                revision=wanted.revision,
                endpoint=endpoint(),
                local_files_only=offline,
            )
        )
    except Exception as error:  # its own errors, its HTTP library's, and the system's
        raise UserError(f"{weights}: {_said(error, wanted, offline)}", "FC-WEIGHTS-019") from error


def pinned(weights: str, path: Path) -> str:
    """``weights`` with the commit that ``path``, where they were downloaded to, is of."""
    commit = re.search(r"[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]", str(path))
    return str(replace(hub_file(weights), revision=commit[1])) if commit else weights


def _said(error: Exception, wanted: HubFile, offline: bool) -> str:
    """The meaning of an error of the Hub, in words."""
    from huggingface_hub import errors

    page = wanted.address
    known: list[tuple[type[Exception], str]] = [
        (errors.GatedRepoError, f"its owner wants an agreement first: accept it at {page}, then "
         "log in with 'hf auth login'"),
        (errors.RepositoryNotFoundError, f"no such repository at {page}; a private one needs "
         "'hf auth login'"),
        (errors.RevisionNotFoundError, f"the repository has no revision {wanted.revision!r}"),
        (errors.LocalEntryNotFoundError, _unreachable(offline)),
        (errors.EntryNotFoundError, f"the repository has no file {wanted.file}; {page}/tree/main "
         "lists what it has"),
        (errors.OfflineModeIsEnabled, _unreachable(True)),
        (errors.HFValidationError, f"is not {FORM}"),
    ]  # fmt: skip
    for kind, words in known:
        if isinstance(error, kind):
            return words
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"cannot be downloaded from {page} ({first})"


def _unreachable(offline: bool) -> str:
    if offline or os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return f"is not in the cache, and downloads are switched off ({OFFLINE} or HF_HUB_OFFLINE)"
    return f"is not in the cache, and {endpoint()} cannot be reached"


def _of_timm(name: str) -> HubFile:
    """Where timm keeps the weights of a model of its own."""
    try:
        from timm.models import get_pretrained_cfg
    except ImportError:
        raise UserError(
            f"{TIMM}{name}: needs timm; pip install 'fullconv[timm]'", "FC-WEIGHTS-013"
        ) from None
    except Exception as error:  # torchvision, which it imports, may not fit the torch here
        first = str(error).splitlines()[0]
        raise UserError(
            f"{TIMM}{name}: timm cannot be imported here ({first})", "FC-WEIGHTS-013"
        ) from error
    try:
        config = get_pretrained_cfg(name)
    except (RuntimeError, KeyError) as error:
        raise UserError(
            f"{TIMM}{name}: timm has no such weights ({error})", "FC-WEIGHTS-015"
        ) from error
    repo = getattr(config, "hf_hub_id", None)
    if not repo:
        raise UserError(
            f"{TIMM}{name}: timm knows no such model with weights on the Hub", "FC-WEIGHTS-015"
        )
    return HubFile(repo, getattr(config, "hf_hub_filename", None) or FILE)
