"""The tables that commands print, by subject; a command loads those that it shows."""

from fullconv.lazy_names import lazy_names

__getattr__ = lazy_names(
    __name__,
    {
        "screen": (
            "console",
            "progress",
            "frame_progress",
            "waiting",
            "download_progress",
            "table",
        ),
        "scores": (
            "predicted",
            "scores_tables",
            "overlap_tables",
            "mean_iu_line",
            "between",
        ),
        "calibration": (
            "calibration_tables",
            "calibration_warnings",
        ),
        "datasets": (
            "statistics_table",
            "sizes_line",
            "label_errors_table",
            "suggestions_table",
            "data_table",
        ),
        "nets": (
            "nets_table",
            "explanation_table",
            "explanation_notes",
            "comparison_tables",
            "engines_table",
            "percent_same",
            "engine_notes",
        ),
        "weights": (
            "weights_tables",
            "conversion_tables",
        ),
    },
)
