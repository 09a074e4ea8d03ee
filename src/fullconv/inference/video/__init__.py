"""A video predicted frame by frame: read, drawn and encoded in segments, its sound copied."""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.inference.video.job import VideoOutcome, predict_video, video_result

__all__ = ["VideoOutcome", "predict_video", "video_result"]

__getattr__ = lazy_names(__name__, {"job": ("VideoOutcome", "predict_video", "video_result")})
