"""The stack that signals are handled on, kept where other code leaves a wrong one behind.

Each `openvino.Core` that computes puts one of its own in place, and its end puts back the one
before. Where several end in another order than they began, as in NNCF, what is put back is freed
memory: the next signal that has a handler, as the end of a loader's process has, overwrites what
lies there by then, or ends the process.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Stack(ctypes.Structure):
    """``stack_t`` of Linux's signal.h."""

    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """After the block, this thread's signal stack is what it was before it. On Linux only."""
    if sys.platform != "linux":
        yield
        return
    before = signal_stack()
    try:
        yield
    finally:
        ctypes.CDLL(None).sigaltstack(ctypes.byref(before), None)


def signal_stack() -> Stack:
    """This thread's signal stack."""
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack
