"""Completion of the shell: as bash asks for it, and without loading torch."""

import os
import shutil
import subprocess
import sys

import pytest

from fullconv.checkpoints.registry import published
from fullconv.cli import completion
from fullconv.models import available
from fullconv.training import recipe_names

PROGRAM = "from fullconv.cli import main\nmain()\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """PATH with a program called fullconv on it."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "fullconv"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}")
    program.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_names_are_those_of_the_package():
    assert completion.nets("") == available()
    assert completion.recipes("") == recipe_names()
    assert completion.weights("") == list(published())


def test_of_several_nets_the_last_is_completed():
    assert completion.nets("fcn32s-vgg16,fcn4s-a") == [
        "fcn32s-vgg16,fcn4s-alexnet",
        "fcn32s-vgg16,fcn4s-alexnet_owt",
    ]


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("expl", {"explain"}),
        ("train photos/ --net fcn8s-v", {"fcn8s-vgg16", "fcn8s-vgg16_convs"}),
        ("train photos/ --recipe paper-", {"paper-caffenet", "paper-googlenet", "paper-vgg16"}),
        ("explain fcn4s-resnet1", {"fcn4s-resnet18", "fcn4s-resnet101"}),
        ("train --over", {"--overwrite"}),
    ],
)
def test_bash_offers(path, typed, offered):
    """What the script of ``--show-completion`` puts into COMPREPLY."""
    script = (
        'eval "$(_FULLCONV_COMPLETE=source_bash fullconv)"\n'
        f"COMP_WORDS=(fullconv {typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        '_fullconv_completion fullconv; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", script], env={**os.environ, "PATH": path},
                          capture_output=True, text=True)  # fmt: skip
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered


def test_it_loads_nothing_heavy():
    code = (
        "import sys\nfrom fullconv.cli import completion, main\n"
        "completion.nets(''), completion.recipes(''), completion.weights('')\n"
        "print(sorted({'torch', 'numpy', 'matplotlib', 'pydantic', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_it_is_installed_for_bash(path, tmp_path):
    """A home of its own gets the script, and its .bashrc reads it."""
    (tmp_path / ".bashrc").write_text("# mine\n")
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
    environment["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    subprocess.run(["fullconv", "--install-completion", "bash"], env=environment, check=True,
                   capture_output=True)  # fmt: skip
    (script,) = (each for each in tmp_path.rglob("fullconv*") if each.is_file())
    assert "_fullconv_completion" in script.read_text()
    kept = (tmp_path / ".bashrc").read_text()
    assert kept.startswith("# mine\n")
    assert str(script.name) in kept
