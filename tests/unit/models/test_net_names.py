"""The registry of nets: one place for names, known without torch, the recommended ones first."""

import subprocess
import sys

import pytest

from fullconv.cli import completion
from fullconv.errors import UserError
from fullconv.models import NetSpec, available
from fullconv.models.registry import BACKBONES, RECOMMENDED

WITHOUT_TORCH = """
import sys
from fullconv.cli import main
try:
    main()
except SystemExit:
    pass
print("TORCH" if "torch" in sys.modules else "none of it", file=sys.stderr)
"""


@pytest.mark.parametrize("command", [["nets"], ["nets", "--help"], ["weights"]])
def test_lists_are_printed_without_torch(command):
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *command], capture_output=True,
                          text=True)  # fmt: skip
    assert "none of it" in done.stderr, done.stderr
    if command != ["nets", "--help"]:
        lines = done.stdout.splitlines()
        assert lines[0] == "Recommended:"
        assert [line[:2] for line in lines[1:5]].count("  ") == 3
    if command == ["nets"]:
        assert [line.split()[0] for line in lines[1:4]] == list(RECOMMENDED)
        assert all(f"  {name} " in done.stdout for name in BACKBONES)


def test_a_net_is_refused_by_name_without_torch():
    script = (
        "import sys; from fullconv.models import NetSpec\n"
        "try: NetSpec('fcn8s-vgg61', 2)\n"
        "except Exception as error: print(error.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["FC-NET-001", "False"], done.stderr


def test_completion_and_the_list_of_the_package_are_one():
    assert completion.nets("") == available()
    assert set(RECOMMENDED) <= set(available())


BAD = [
    {"name": 3},
    {"name": "fcn8s-vgg17" * 50},
    {"name": "fcn8s-\n"},
    {"classes": 0},
    {"classes": "21"},
    {"classes": True},
    {"streams": "abc"},
    {"streams": []},
    {"streams": [3] * 17},
    {"streams": [0]},
    {"streams": [2.5]},
    {"padding": ["same"]},
    {"width": float("nan")},
    {"width": "1"},
    {"width": 9},
    {"dropout": 1},
    {"dropout": "x"},
    {"learn_upsampling": 1},
]


@pytest.mark.parametrize("options", BAD, ids=str)
def test_options_of_the_wrong_kind_are_one_line(options):
    with pytest.raises(UserError) as error:
        NetSpec(**{"name": "fcn8s-vgg16", "classes": 2, **options})
    assert error.value.code in ("FC-NET-001", "FC-NET-002")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 300
