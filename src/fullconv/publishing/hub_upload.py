"""The upload of a run to the Hugging Face Hub, by huggingface_hub."""

import tempfile
from pathlib import Path

from fullconv.checkpoints.hub import endpoint
from fullconv.download.cache import OFFLINE, is_offline
from fullconv.errors import UserError
from fullconv.publishing.hub_folder import check_repo, model_folder


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
        made = model_folder(run, repo, Path(folder) / "model", licence, samples)
        api = HfApi(endpoint=endpoint())
        try:
            api.create_repo(repo, private=True if private else None, exist_ok=True)
            api.upload_folder(
                repo_id=repo, folder_path=made, commit_message="Upload by fullconv push"
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
