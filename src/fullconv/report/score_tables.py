"""Scores as tables of a page."""

from html import escape

import numpy as np

from fullconv.classes import ClassSet
from fullconv.metrics import SUMMARY, Scores, percent
from fullconv.report import html
from fullconv.report.confusion import confusion_picture
from fullconv.report.curves import words


def scores_section(scores: Scores | None, classes: ClassSet | None) -> str:
    """The four scores, and the classes, the best first; ``classes`` give the colours."""
    if scores is None:
        return ""
    four = [(escape(words(key)), percent(getattr(scores, key))) for key in SUMMARY]
    return (
        html.table((), four, {1})
        + html.note(
            "In percent. One confusion matrix over the whole split; classes that are in neither "
            "the truth nor the prediction leave the mean."
        )
        + _of_classes(scores, classes)
    )


def confusion_section(scores: Scores | None, classes: ClassSet | None) -> str:
    """The confusion matrix as a picture."""
    return html.plot(confusion_picture(scores, classes), "confusion matrix") if scores else ""


def _of_classes(scores: Scores, classes: ClassSet | None) -> str:
    order = np.argsort(-np.nan_to_num(scores.iu, nan=-1), kind="stable")
    share = scores.pixels / max(int(scores.pixels.sum()), 1)
    rows = [
        (
            html.swatch(classes, i) + escape(scores.names[i]),
            percent(float(scores.iu[i])),
            html.bar(float(np.nan_to_num(scores.iu[i]))),
            percent(float(scores.accuracy[i])),
            percent(float(share[i])),
            _taken_for(scores, i),
        )
        for i in order
    ]
    head = ("class", "IU", "", "accuracy", "share of pixels", "most often taken for")
    return html.table(head, rows, {1, 3, 4})


def _taken_for(scores: Scores, true: int) -> str:
    """The class that gets most of the pixels that are wrong, and its share of all of them."""
    wrong = scores.confusion[true].copy()
    wrong[true] = 0
    if not wrong.any():
        return ""
    most = int(wrong.argmax())
    return f"{escape(scores.names[most])} ({percent(float(wrong[most] / scores.pixels[true]))})"
