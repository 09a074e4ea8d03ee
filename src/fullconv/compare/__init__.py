"""Nets side by side: the paper's Table 1 for the user's data and machine."""

from fullconv.compare.candidates import Candidate, find_candidates
from fullconv.compare.engines import EngineBenchmark, EngineRow, benchmark_engines
from fullconv.compare.files import write_comparison
from fullconv.compare.request import Request, compare
from fullconv.compare.table import Comparison, Row
from fullconv.compare.timing import Machine, Timing, measure
from fullconv.compare.verdicts import Evaluated, Verdict, Verdicts, verdicts

__all__ = [
    "Candidate",
    "Comparison",
    "EngineBenchmark",
    "EngineRow",
    "Evaluated",
    "Machine",
    "Request",
    "Row",
    "Timing",
    "Verdict",
    "Verdicts",
    "benchmark_engines",
    "compare",
    "find_candidates",
    "measure",
    "verdicts",
    "write_comparison",
]
