"""ONNX Runtime Web, which runs a graph in a browser: one version of its npm package, pinned."""

import tarfile
from dataclasses import dataclass
from pathlib import Path

from fullconv.download import Checksum, RemoteFile, RetryPolicy, cache_folder, download
from fullconv.download.request import Progress
from fullconv.errors import UserError

VERSION = "1.30.0"
PACKAGE = RemoteFile(
    name=f"onnxruntime-web-{VERSION}.tgz",
    urls=(f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz",),
    size=33_106_585,
    # Of the file whose sha512 `npm view onnxruntime-web@1.30.0 dist.integrity` states:
    # q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==
    checksum=Checksum("sha256", "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"),
    licence="MIT",
    origin="https://www.npmjs.com/package/onnxruntime-web",
)
SCRIPT = "package/dist/ort.wasm.bundle.min.mjs"
BINARY = "package/dist/ort-wasm-simd-threaded.wasm"


@dataclass(frozen=True)
class Runtime:
    """The files of ONNX Runtime Web in a page: an ES module and the WebAssembly that it loads."""

    script: bytes
    binary: bytes
    version: str = VERSION


def fetch_runtime(
    progress: Progress | None = None, offline: bool | None = None, retry: RetryPolicy | None = None
) -> Path:
    """The npm package of `VERSION` in the cache, downloaded where it is not there, verified.

    Raises UserError for everything that ``download`` refuses.
    """
    path = cache_folder() / "web" / PACKAGE.name
    return download(PACKAGE, path, progress=progress, offline=offline, retry=retry)


def read_runtime(package: Path) -> Runtime:
    """The two files that a page needs, from the npm package; UserError where it lacks one."""
    try:
        with tarfile.open(package, "r:gz") as archive:
            return Runtime(_member(archive, SCRIPT), _member(archive, BINARY))
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise UserError(
            f"{package}: is no npm package of onnxruntime-web {VERSION} ({error}); remove it and "
            "call again",
            "FC-DOWNLOAD-006",
        ) from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()
