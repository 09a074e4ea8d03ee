"""The loggers of a training: the protocol, its members, and several as one."""

from fullconv.training.loggers.logger import LoggedRun, Logger, Loggers, RunStatus
from fullconv.training.loggers.registry import LOGGERS, check_names, make_loggers

__all__ = [
    "LOGGERS",
    "LoggedRun",
    "Logger",
    "Loggers",
    "RunStatus",
    "check_names",
    "make_loggers",
]
