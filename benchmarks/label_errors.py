"""Planted label errors, found by `fullconv inspect --run`: precision and recall.

    python benchmarks/label_errors.py RUN data/camvid
    python benchmarks/label_errors.py RUN data/camvid --seeds 1 --share 0.1

In a copy of the masks of a split, one object in each of some masks, drawn by the seed, is moved (by
15 to 30 pixels at a diagonal of 600; what it leaves becomes the class around it), swapped (another
class), or forgotten (the class around it). An object is a connected region of one class of a fifth
of a percent to a tenth of the mask that is not thin everywhere. Then the masks are ranked by
`fullconv.curation.find_label_errors`, and by three simpler scores: the softmin of Lad and Mueller
(2023, arXiv 2307.05080), the mean self-confidence (Northcutt et al., 2021), and pixel accuracy. The
labels of the data itself are taken for right, which they are not everywhere: what is counted as a
false alarm may be a real error. Figures are means over the seeds. ``RUN`` should not have been
trained on the split.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fullconv.cli.tables import progress
from fullconv.curation import LabelErrors, find_label_errors
from fullconv.curation.regions import connected_regions, inner
from fullconv.data import Source, open_source
from fullconv.data.export_folder import mask_png
from fullconv.evaluation import evaluate, open_for
from fullconv.inference import open_engine
from result import Result, Table

KINDS = ("moved", "swapped", "forgotten")
SMALLEST, LARGEST = 0.002, 0.1  # of the mask
FIRST = (10, 20, 30)

Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Planted:
    """An error: its kind, and where the mask was changed, bool (H, W)."""

    kind: str
    where: npt.NDArray[np.bool_]


def objects(mask: Mask, ignore: int) -> list[npt.NDArray[np.bool_]]:
    """The regions of a mask that errors are made of."""
    regions = connected_regions(mask.astype(np.int64), ignore)
    sizes = np.bincount(regions.ravel())
    cores = np.bincount(regions[inner(regions, 3)], minlength=len(sizes))
    is_object = (sizes >= SMALLEST * mask.size) & (sizes <= LARGEST * mask.size) & (cores > 50)
    is_object[0] = False
    return [regions == number for number in np.flatnonzero(is_object)]


def around(mask: Mask, region: npt.NDArray[np.bool_], ignore: int) -> int | None:
    """The most frequent class within three pixels of a region."""
    grown = np.pad(region, 3)
    for axis in (0, 1):
        grown = np.any([np.roll(grown, by, axis) for by in range(-3, 4)], axis=0)
    ring = mask[grown[3:-3, 3:-3] & ~region]
    ring = ring[ring != ignore]
    return int(np.bincount(ring).argmax()) if ring.size else None


def shifted(region: npt.NDArray[np.bool_], by: Sequence[int]) -> npt.NDArray[np.bool_]:
    """A region moved (down, right); what leaves the mask is lost."""
    moved = np.zeros_like(region)
    rows, columns = np.nonzero(region)
    rows, columns = rows + by[0], columns + by[1]
    inside = (rows >= 0) & (rows < region.shape[0]) & (columns >= 0) & (columns < region.shape[1])
    moved[rows[inside], columns[inside]] = True
    return moved


def damaged(
    mask: Mask, kind: str, classes: int, ignore: int, rng: np.random.Generator
) -> Mask | None:
    """The mask with one error; None where it has no object for it."""
    regions = objects(mask, ignore)
    if not regions:
        return None
    region = regions[rng.integers(len(regions))]
    value, changed = int(mask[region][0]), mask.copy()
    if kind == "swapped":
        changed[region] = rng.choice([each for each in range(classes) if each != value])
        return changed
    background = around(mask, region, ignore)
    if background is None or background == value:
        return None
    changed[region] = background
    if kind == "moved":
        length = np.hypot(*mask.shape) / 600 * rng.uniform(15, 30)
        angle = rng.uniform(0, 2 * np.pi)
        by = round(length * np.sin(angle)), round(length * np.cos(angle))
        changed[shifted(region, by)] = value
    return changed


def planted_copy(source: Source, folder: Path, share: float, seed: int) -> dict[str, Planted]:
    """Write the photos and masks of a split, ``share`` of the masks with an error; the errors."""
    rng, planted = np.random.default_rng(seed), {}
    places = rng.permutation(len(source)).tolist()
    wanted = round(share * len(source))
    for place in places:
        sample, name = source[place], f"{place:05d}"
        mask = sample.mask
        assert mask is not None
        if len(planted) < wanted:
            kind = KINDS[len(planted) % len(KINDS)]
            changed = damaged(mask, kind, len(source.classes), source.classes.ignore, rng)
            if changed is not None:
                planted[name] = Planted(kind, changed != mask)
                mask = changed
        for kind, content in (("images", sample.image), ("masks", None)):
            (folder / kind / "val").mkdir(parents=True, exist_ok=True)
            file = folder / kind / "val" / f"{name}.png"
            if content is None:
                file.write_bytes(mask_png(mask, source.classes))
            else:
                Image.fromarray(content).save(file, compress_level=1)
    (folder / "classes.toml").write_text(source.classes.to_toml(), "utf-8")
    return planted


@dataclass
class Ranking:
    """The names of the masks, the likeliest first, and what is counted of them."""

    names: list[str]

    def precision(self, planted: dict[str, Planted], first: int) -> float:
        return sum(name in planted for name in self.names[:first]) / first

    def recall(self, planted: dict[str, Planted], first: int, kind: str | None = None) -> float:
        wanted = [name for name, error in planted.items() if kind in (None, error.kind)]
        return sum(name in self.names[:first] for name in wanted) / len(wanted)

    def average_precision(self, planted: dict[str, Planted]) -> float:
        hits = np.array([name in planted for name in self.names])
        precision = hits.cumsum() / np.arange(1, len(hits) + 1)
        return float(precision[hits].mean())


def right_region(errors: LabelErrors, planted: dict[str, Planted], first: int) -> float:
    """Share of the errors among the ``first`` masks whose likeliest error lies on the error."""
    hits = []
    for mask in errors.masks[:first]:
        if mask.name in planted and mask.regions:
            top, left, bottom, right = mask.regions[0].box
            inside = planted[mask.name].where[top:bottom, left:right]
            hits.append(inside.sum() / max(inside.size, 1) > 0.1)
    return float(np.mean(hits)) if hits else 0.0


def rankings(run: str, folder: Path) -> tuple[LabelErrors, dict[str, Ranking]]:
    """The masks of a copy, ranked by each score."""
    opened = open_engine(run)
    source = open_for(opened, str(folder), "val")
    with progress("ranking") as moved:
        errors = find_label_errors(opened.engine, source, moved)
    accuracy, confidence = {}, {}

    def note(sample, prediction, matrix):
        accuracy[sample.name] = np.trace(matrix) / max(matrix.sum(), 1)
        scores = opened.engine.scores(sample.image)
        shares = np.exp(scores - scores.max(0))
        shares /= shares.sum(0)
        known = sample.mask != source.classes.ignore
        own = np.take_along_axis(shares, np.where(known, sample.mask, 0)[None].astype(int), 0)[0]
        confidence[sample.name] = own[known].mean()

    evaluate(opened.engine, source, on_photo=note)
    by_softmin = sorted(errors.masks, key=lambda mask: mask.quality)
    return errors, {
        "regions": Ranking([mask.name for mask in errors.masks]),
        "softmin": Ranking([mask.name for mask in by_softmin]),
        "mean self-confidence": Ranking(sorted(confidence, key=confidence.__getitem__)),
        "pixel accuracy": Ranking(sorted(accuracy, key=accuracy.__getitem__)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--split", default="val")
    parser.add_argument("--share", type=float, default=0.3, help="of the masks that get an error")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--json", help="write the result to this file")
    given = parser.parse_args()
    source = open_source(given.data, given.split)
    rows, kinds, regions, mean_iu = {}, {}, [], []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        with tempfile.TemporaryDirectory() as temporary:
            planted = planted_copy(source, Path(temporary), given.share, seed)
            errors, ranked = rankings(given.run, Path(temporary))
        mean_iu.append(errors.mean_iu)
        regions.append(right_region(errors, planted, FIRST[-1]))
        for name, ranking in ranked.items():
            figures = [ranking.precision(planted, first) for first in FIRST]
            figures += [ranking.recall(planted, first) for first in (FIRST[-1], 2 * FIRST[-1])]
            rows.setdefault(name, []).append([*figures, ranking.average_precision(planted)])
        for kind in KINDS:
            of_kind = [ranked["regions"].recall(planted, n, kind) for n in (*FIRST, 60)]
            kinds.setdefault(kind, []).append(of_kind)
    count = round(given.share * len(source))
    chance = count / len(source)
    heads = [f"precision at {n}" for n in FIRST]
    heads += [f"recall at {FIRST[-1]}", f"recall at {2 * FIRST[-1]}", "average precision"]
    table = [[name, *(f"{v:.2f}" for v in np.mean(each, 0))] for name, each in rows.items()]
    shares = [FIRST[-1] / len(source), 2 * FIRST[-1] / len(source)]
    table.append(["by chance", *(f"{v:.2f}" for v in [chance] * 3 + shares + [chance])])
    by_kind = [[kind, *(f"{v:.2f}" for v in np.mean(each, 0))] for kind, each in kinds.items()]
    recall_heads = [f"recall at {n}" for n in (*FIRST, 60)]
    notes = [
        f"{count} of {len(source)} masks with an error, {given.seeds} seeds; the net has "
        f"{100 * np.mean(mean_iu):.1f} mean IU on the masks with errors.",
        f"Of the masks with an error among the first {FIRST[-1]}, the likeliest error lies on "
        f"the error in {100 * np.mean(regions):.0f} percent.",
    ]
    Result(
        [
            Table("Rankings of the masks", ["ranked by", *heads], table),
            Table("Kinds of errors, by regions", ["error", *recall_heads], by_kind),
        ],
        notes,
    ).finish(given.json)


if __name__ == "__main__":
    main()
