"""No signal meets a freed stack: cores of OpenVINO that end in the wrong order leave one behind."""

import subprocess
import sys

import pytest

pytest.importorskip("openvino", reason="needs fullconv[export]")
linux = pytest.mark.skipif(sys.platform != "linux", reason="signal stacks are Linux's here")

CORES = """
import gc, signal, subprocess
import numpy as np
import openvino
from openvino import opset8 as ops
from fullconv.exporting.quantize import kept_signal_stack, signal_stack

def computing():
    core, image = openvino.Core(), ops.parameter([1, 3, 8, 8], np.float32)
    return core, core.compile_model(openvino.Model([ops.relu(image)], [image]), "CPU")

def two_that_end_in_order():
    first, second = computing(), computing()
    assert second
    del first
    gc.collect()

signal.signal(signal.SIGCHLD, lambda *_: print("heard"))
"""
LOADER = "subprocess.run(['true']); print('alive')"


def run(code):
    return subprocess.run([sys.executable, "-c", CORES + code], capture_output=True, text=True)


@linux
def test_signals_are_handled_on_the_stack_of_before_after_the_block_and_beside_our_engines():
    """In one process: after a block of quantization, and while engines come and go."""
    done = run(
        f"with kept_signal_stack():\n two_that_end_in_order(); gc.collect()\n"
        f" assert signal_stack().size  # what OpenVINO leaves behind\n"
        f"assert not signal_stack().size\n{LOADER}\n"
        "from fullconv.inference.engines.openvino_engine import core_of\n"
        "assert core_of() is core_of()\n"
        "image = ops.parameter([1, 3, 8, 8], np.float32)\n"
        "model = openvino.Model([ops.relu(image)], [image])\n"
        "nets = [core_of().compile_model(model, 'CPU') for _ in range(2)]\n"
        f"del nets[0]; gc.collect(); nets.clear(); gc.collect()\n{LOADER}"
    )
    assert done.stdout.split() == ["heard", "alive"] * 2, done.stderr
