"""What `import fullconv` offers has known types, as type checkers see an installed package."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fullconv

CHECKER = Path(sys.executable).with_name("basedpyright")


def symbols(venv):
    """Every symbol by its name, of a copy in ``venv``: an editable install is not found."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(venv)}))
    shutil.copytree(Path(fullconv.__file__).parent, packages / "fullconv")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [CHECKER, "--verifytypes", "fullconv", "--ignoreexternal", "--outputjson"],
        capture_output=True, text=True, cwd=venv, env=os.environ | {"PATH": path},
    )  # fmt: skip
    result = json.loads(done.stdout)["typeCompleteness"]
    return {symbol["name"]: symbol for symbol in result["symbols"]}


@pytest.mark.skipif(not CHECKER.exists(), reason="basedpyright is not installed")
def test_all_types_are_known(tmp_path):
    seen = symbols(tmp_path / "venv")
    offered = [seen[f"fullconv.{name}"] for name in fullconv.__all__ if name != "__version__"]
    unknown = {s["name"]: s["diagnostics"] for s in offered if not s["isTypeKnown"]}
    assert not unknown
