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
    from fullconv.curation.read_views import Labelled, Viewed, labelled_views, view_photos
    from fullconv.curation.suggestions import Suggestion, Suggestions, suggest

__all__ = [
    "ErrorRegion",
    "LabelErrors",
    "Labelled",
    "MaskErrors",
    "PhotoView",
    "Suggestion",
    "Suggestions",
    "Viewed",
    "find_label_errors",
    "labelled_views",
    "photo_view",
    "suggest",
    "view_photos",
]

__getattr__ = lazy_names(
    __name__,
    {
        "label_errors": ("MaskErrors", "ErrorRegion", "LabelErrors", "find_label_errors"),
        "photo_views": ("PhotoView", "photo_view"),
        "read_views": ("Labelled", "Viewed", "labelled_views", "view_photos"),
        "suggestions": ("Suggestion", "Suggestions", "suggest"),
    },
)
