"""What a run shows of itself: curves, the confusion picture, the page."""

from fullconv.data.trained_on import trained_on
from fullconv.report.best_and_worst import BestAndWorst
from fullconv.report.comparison_page import write_run_comparison
from fullconv.report.confusion import confusion_picture
from fullconv.report.curves import curves
from fullconv.report.inspection_page import write_inspection
from fullconv.report.net_plot import explanation_picture
from fullconv.report.points import points_picture
from fullconv.report.run_files import RunFiles, read_columns, read_run
from fullconv.report.run_page import write_report
from fullconv.report.score_files import write_file, write_scores

__all__ = [
    "BestAndWorst",
    "RunFiles",
    "confusion_picture",
    "curves",
    "explanation_picture",
    "points_picture",
    "read_columns",
    "read_run",
    "trained_on",
    "write_file",
    "write_inspection",
    "write_report",
    "write_run_comparison",
    "write_scores",
]
