"""Import this before torchvision, timm or SMP.

torchvision's wheel is built for CUDA and its compiled part does not load beside a torch for CPUs.
Its Python part describes two operators of that part to torch when it is imported, and fails where
they are not declared. None of the nets calls them, so to declare them is enough.
"""

import torch

_declared = torch.library.Library("torchvision", "DEF")  # they are gone when this is freed
for _operator in ("nms", "qnms"):
    _declared.define(f"{_operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
