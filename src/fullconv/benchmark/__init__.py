"""Nets side by side: the paper's Table 1 for the user's data and machine."""

from fullconv.benchmark.candidates import Candidate, find_candidates
from fullconv.benchmark.compare_models import Request, compare
from fullconv.benchmark.comparison_files import write_comparison
from fullconv.benchmark.engine_table import EngineBenchmark, EngineRow, benchmark_engines
from fullconv.benchmark.table import Comparison, Row
from fullconv.benchmark.timing import Machine, Timing, measure
from fullconv.benchmark.verdicts import Evaluated, Verdict, Verdicts, verdicts

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
