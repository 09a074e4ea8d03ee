"""The report of a run: curves, the picture of the confusion matrix, the page."""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.report.best_and_worst import BestAndWorst
    from fullconv.report.pages.comparison_page import write_run_comparison
    from fullconv.report.pages.inspection_page import write_inspection
    from fullconv.report.pages.run_page import write_report
    from fullconv.report.plots.confusion import confusion_picture
    from fullconv.report.plots.net_plot import explanation_picture
    from fullconv.report.plots.points import points_picture
    from fullconv.report.run_files import RunFiles, read_columns, read_run
    from fullconv.report.run_in_notebook import RunFolder
    from fullconv.report.score_files import write_file, write_scores

__all__ = [
    "BestAndWorst",
    "RunFiles",
    "RunFolder",
    "confusion_picture",
    "explanation_picture",
    "points_picture",
    "read_columns",
    "read_run",
    "write_file",
    "write_inspection",
    "write_report",
    "write_run_comparison",
    "write_scores",
]

__getattr__ = lazy_names(
    __name__,
    {
        "plots.net_plot": ("explanation_picture",),
        "pages.comparison_page": ("write_run_comparison",),
        "plots.confusion": ("confusion_picture",),
        "best_and_worst": ("BestAndWorst",),
        "pages.inspection_page": ("write_inspection",),
        "plots.points": ("points_picture",),
        "run_files": (
            "RunFiles",
            "read_columns",
            "read_run",
        ),
        "run_in_notebook": ("RunFolder",),
        "pages.run_page": ("write_report",),
        "score_files": (
            "write_file",
            "write_scores",
        ),
    },
)
