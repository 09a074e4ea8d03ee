"""What a trained net says of the data: labels to look at again, and photos to label next."""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.curation.label_errors import (
        ErrorRegion,
        LabelErrors,
        MaskErrors,
        find_label_errors,
    )
    from fullconv.curation.photo_views import PhotoView, photo_view
    from fullconv.curation.suggestions import Suggestion, Suggestions, suggest

__all__ = [
    "ErrorRegion",
    "LabelErrors",
    "MaskErrors",
    "PhotoView",
    "Suggestion",
    "Suggestions",
    "find_label_errors",
    "photo_view",
    "suggest",
]

__getattr__ = lazy_names(
    __name__,
    {
        "label_errors": ("MaskErrors", "ErrorRegion", "LabelErrors", "find_label_errors"),
        "photo_views": ("PhotoView", "photo_view"),
        "suggestions": ("Suggestion", "Suggestions", "suggest"),
    },
)
