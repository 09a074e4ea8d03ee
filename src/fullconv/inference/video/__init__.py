"""Videos and cameras predicted frame by frame: read, drawn and encoded, the sound copied."""

from typing import TYPE_CHECKING

from fullconv.lazy_names import lazy_names

if TYPE_CHECKING:
    from fullconv.inference.video.camera import Device, device_of
    from fullconv.inference.video.camera_job import CameraOutcome, predict_camera
    from fullconv.inference.video.job import VideoOutcome, predict_video
    from fullconv.inference.video.pictures import probability_results, video_result

__all__ = [
    "CameraOutcome",
    "Device",
    "VideoOutcome",
    "device_of",
    "predict_camera",
    "predict_video",
    "probability_results",
    "video_result",
]

_HOME = {
    "camera": ("Device", "device_of"),
    "job": ("VideoOutcome", "predict_video"),
    "pictures": ("probability_results", "video_result"),
    "camera_job": ("CameraOutcome", "predict_camera"),
}
__getattr__ = lazy_names(__name__, _HOME)
