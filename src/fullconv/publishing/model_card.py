"""The model card of a run, README.md on the Hub: made from the run's own files alone."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fullconv.metrics import SUMMARY, Scores, percent
from fullconv.report.run_files import RunFiles
from fullconv.version import __version__

METRICS = {
    "pixel_accuracy": ("accuracy", "pixel accuracy"),
    "mean_accuracy": ("mean_accuracy", "mean accuracy"),
    "mean_iu": ("mean_iou", "mean IU"),
    "fw_iu": ("frequency_weighted_iou", "frequency-weighted IU"),
}
"""The four scores by their names on the Hub and in the paper."""


def model_card(files: RunFiles, repo: str, licence: str = "", sample: str = "") -> str:
    """Markdown with a YAML head, for the net in ``files`` (which has one) under the name ``repo``.

    ``licence`` is the identifier that the uploader gives the net; ``sample`` a picture beside it.
    """
    header, origin = files.checkpoint, files.checkpoint.get("origin") or {}
    net = header["net"]
    parts = [
        _head(files, repo, licence),
        f"# {repo.rpartition('/')[2]}",
        f"`{net['name']}`, a fully convolutional network for semantic segmentation with "
        f"{net['classes']} classes, trained with fullconv {__version__}.",
        "## Use",
        f"```\npip install 'fullconv[hub]'\nfullconv predict --weights hf:{repo} photo.jpg\n```",
        "```python\nimport fullconv\n\n"
        f'prediction = fullconv.Predictor("hf:{repo}")("photo.jpg")\n```',
        "## Data",
        _data(files, origin),
        "## Scores",
        _scores(files.scores, origin),
        f"![photo, truth and prediction]({sample})" if sample else "",
        "## Where it started from",
        "\n".join(_weights(origin.get("weights"))),
        "## Limits",
        _limits(licence),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(files: RunFiles, repo: str, licence: str) -> str:
    """The YAML that the Hub reads; texts are quoted as JSON, which YAML takes."""
    lines = [
        f"license: {json.dumps(licence or 'unknown')}",
        "library_name: fullconv",
        "pipeline_tag: image-segmentation",
        "tags: [image-segmentation, semantic-segmentation, fully-convolutional-network]",
    ]
    if files.scores is not None:
        names = ", ".join(METRICS[key][0] for key in SUMMARY)
        data = json.dumps(_data_name(files))
        lines += [f"metrics: [{names}]", "model-index:", f"- name: {json.dumps(repo)}"]
        lines += ["  results:", "  - task: {type: image-segmentation}"]
        lines += [f"    dataset: {{name: {data}, type: {data}}}", "    metrics:"]
        for key in SUMMARY:
            value = round(float(getattr(files.scores, key)), 4)
            lines.append(f"    - {{type: {METRICS[key][0]}, value: {value}}}")
    return "\n".join(["---", *lines, "---"])


def _data_name(files: RunFiles) -> str:
    path = str((files.checkpoint.get("origin") or {}).get("data") or "own photos")
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2] or "own photos"


def _data(files: RunFiles, origin: Mapping[str, Any]) -> str:
    photos = origin.get("photos") or {}
    counts = ", ".join(f"{count} photos in {split}" for split, count in photos.items())
    names = files.checkpoint["classes"].get("names", ())
    return f"{_data_name(files)}: {counts or 'unknown'}. Classes: {', '.join(map(str, names))}."


def _scores(scores: Scores | None, origin: Mapping[str, Any]) -> str:
    if scores is None:
        return "None: the run had no photos to validate on."
    four = [f"| {METRICS[key][1]} | {percent(getattr(scores, key))} |" for key in SUMMARY]
    of_classes = zip(scores.names, scores.iu, scores.accuracy, strict=True)
    rows = [
        f"| {name} | {percent(float(iu))} | {percent(float(acc))} |" for name, iu, acc in of_classes
    ]
    step = f", at step {origin['step']}" if "step" in origin else ""
    return "\n".join(
        [
            f"In percent, on the validation photos that chose these weights{step}: on others "
            "expect less. One confusion matrix over all of them.",
            "",
            "| score | |",
            "|---|---:|",
            *four,
            "",
            "| class | IU | accuracy |",
            "|---|---:|---:|",
            *rows,
        ]
    )


def _weights(origins: Any, depth: int = 0) -> Iterable[str]:
    """A line for each of the weights that it started from, with those that they came from."""
    if not isinstance(origins, list):
        yield "Not recorded."
        return
    if not origins and not depth:
        yield "Random weights."
    for weights in origins:
        source = f", from {weights['from']}" if weights.get("from") else ""
        licence = f"; licence: {weights['licence']}" if weights.get("licence") else ""
        lineage = f" ({weights['lineage']})" if weights.get("lineage") else ""
        yield f"{'  ' * depth}- {weights.get('name', 'unknown')}{lineage}{source}{licence}"
        yield from _weights(weights.get("weights") or [], depth + 1)


def _limits(licence: str) -> str:
    unknown = "" if licence else " Its uploader has stated no licence."
    return (
        "It knows the classes above and nothing else, on photos like those it was trained on; "
        "every pixel gets one of them, also where none is right." + unknown + " The licences of "
        "the data and of the weights it started from may bind whoever uses it."
    )
