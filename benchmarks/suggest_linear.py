"""What the choice of photos is worth, by a classifier that needs no luck: minutes, many seeds.

    python benchmarks/suggest_linear.py data/camvid                # 20 photos, three rounds of 20
    python benchmarks/suggest_linear.py data/camvid --seeds 20
    python benchmarks/suggest_linear.py shapes:96x128:n=30 --start 4 --number 2 --rounds 1 \
        --seeds 1 --photos 12

Trainings of a net from the same photos differ by several points of mean IU, more than a choice of
photos is worth (benchmarks/suggest.py). Here the backbone stays as ImageNet's weights have it, and
a linear classifier is fitted to its features at every sixteenth pixel: the optimum is the only one.
The labels of all training photos are known, but hidden at first. A quarter of the photos, at most
100, is drawn once to score on, beside val: photos of the kinds that the pool has. From the same
random photos on, each way chooses more in each round, by the classifier of the round before.
'coverage' is what suggest does, each photo weighted alike; 'k-centre' takes the photo with the
largest product of distance and uncertainty.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fullconv.checkpoints.initialize import start_from
from fullconv.checkpoints.pretrained import IMAGENET, resolve_weights
from fullconv.classes import ClassSet
from fullconv.curation import PhotoView, suggest
from fullconv.curation.coverage import Coverage
from fullconv.curation.suggestions import ranks
from fullconv.data import Source, open_source
from fullconv.data.checks.duplicates import fingerprint
from fullconv.data.splits.subset import with_photos as only
from fullconv.metrics import percent
from fullconv.models import FCN, NetSpec
from result import Result, Table

WAYS = ("suggest", "coverage", "k-centre", "random")
NET, STRIDE = "fcn8s-efficientnet_lite0", 16
DECAY, ITERATIONS = 1e-3, 60


@dataclass(frozen=True, eq=False)
class Photo:
    """``pixels`` (n, C) at every sixteenth pixel, their ``labels`` (n,), -1 unlabelled, and the
    mean of the coarsest features (D,)."""

    name: str
    pixels: Tensor
    labels: Tensor
    mean: npt.NDArray[np.float32]


def photos_of(net: FCN, preprocessing, source: Source) -> list[Photo]:
    """The photos of a split by the features of the backbone."""
    photos = []
    for place in range(len(source)):
        sample = source[place]
        assert sample.mask is not None
        with torch.inference_mode():
            maps = net.backbone(preprocessing(torch.from_numpy(sample.image)[None]))  # 1,C,h,w
        size = maps[STRIDE].shape[-2:]
        pixels = torch.cat([resized(each, size) for each in maps.values()], 1)[0]  # C,h,w
        mask = sample.mask[STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].astype(np.int64)
        labels = np.full(size, -1)
        labels[: mask.shape[0], : mask.shape[1]] = np.where(
            mask < len(source.classes), mask, -1
        )  # fmt: skip
        mean = maps[max(maps)].mean((2, 3))[0].numpy()
        photos.append(
            Photo(sample.name, pixels.flatten(1).T.clone(), torch.from_numpy(labels).ravel(), mean)
        )
    return photos


def resized(features: Tensor, size: tuple[int, int]) -> Tensor:
    """N,C,h,w at ``size``: averaged where it is finer, bilinear where it is coarser."""
    if features.shape[-2] > size[0]:
        return functional.adaptive_avg_pool2d(features, size)
    return functional.interpolate(features, size, mode="bilinear")


def fitted(photos: Sequence[Photo], classes: int) -> tuple[Tensor, Tensor]:
    """Weights (C, K), biases (K,) of the least cross-entropy plus DECAY / 2 x squared weights."""
    labels = torch.cat([photo.labels for photo in photos])
    pixels = torch.cat([photo.pixels for photo in photos])[labels >= 0]
    weight = torch.zeros(pixels.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = functional.cross_entropy(pixels @ weight + bias, labels[labels >= 0])
        value = value + DECAY / 2 * (weight**2).sum()
        value.backward()
        return value

    optimizer.step(loss)  # pyright: ignore[reportArgumentType]
    return weight.detach(), bias.detach()


def mean_iu(photos: Sequence[Photo], weight: Tensor, bias: Tensor) -> float:
    """Over all labelled pixels of ``photos``."""
    classes, matrix = len(bias), 0
    for photo in photos:
        is_labelled = photo.labels >= 0
        predicted = (photo.pixels @ weight + bias).argmax(1)
        pairs = photo.labels[is_labelled] * classes + predicted[is_labelled]
        matrix = matrix + torch.bincount(pairs, minlength=classes**2).view(classes, classes)
    assert isinstance(matrix, Tensor)
    hits, unions = matrix.diag(), matrix.sum(0) + matrix.sum(1) - matrix.diag()
    return float((hits[unions > 0] / unions[unions > 0]).mean())


def view(photo: Photo, number: int, weight: Tensor, bias: Tensor) -> PhotoView:
    """What the classifier says of a photo; no two look alike, so none is left out."""
    shares = (photo.pixels @ weight + bias).softmax(1)  # n,K
    logs = shares.clamp_min(1e-30).log()
    entropy = -(shares * logs).sum(1).mean() / np.log(len(bias))
    noise = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
    unit = (photo.mean / np.linalg.norm(photo.mean)).astype(np.float32)
    return PhotoView(
        photo.name, unit, fingerprint(noise), shares.mean(0).numpy(), float(entropy), None
    )


def k_centre(pool: Sequence[PhotoView], labelled: Sequence[PhotoView], number: int) -> list[str]:
    """Each time the photo with the largest product of distance and rank of uncertainty."""
    informative = ranks(np.array([each.uncertainty for each in pool]))
    features = np.array([each.features for each in pool])
    distance = 1 - (features @ np.array([each.features for each in labelled]).T).max(1)
    names = []
    for _ in range(number):
        place = int((informative * distance).argmax())
        names.append(pool[place].name)
        distance = np.minimum(distance, 1 - features @ features[place])
        distance[place] = -1
    return names


def covering(pool: Sequence[PhotoView], labelled: Sequence[PhotoView], number: int) -> list[str]:
    """Each time the photo that covers most, all weighted alike."""
    features, known = (
        np.array([each.features for each in of], np.float64) for of in (pool, labelled)
    )
    coverage = Coverage(features, np.ones(len(pool)), known, [each.name for each in labelled])
    left, names = np.ones(len(pool), bool), []
    for _ in range(number):
        place, _ = coverage.best(left)
        left[place] = False
        coverage.add(place, pool[place].name)
        names.append(pool[place].name)
    return names


def next_photos(
    way: str, pool: Sequence[Photo], labelled: Sequence[Photo], classes: ClassSet,
    fit: tuple[Tensor, Tensor], number: int, seed: int,
) -> list[str]:  # fmt: skip
    """The names of the photos to be labelled next."""
    if way == "random":
        order = np.random.default_rng([seed, len(labelled)]).permutation(len(pool))
        return [pool[place].name for place in order[:number]]
    views = [view(photo, place, *fit) for place, photo in enumerate(pool)]
    known = [view(photo, len(pool) + place, *fit) for place, photo in enumerate(labelled)]
    if way == "k-centre":
        return k_centre(views, known, number)
    if way == "coverage":
        return covering(views, known, number)
    labels = torch.cat([photo.labels for photo in labelled])
    pixels = torch.bincount(labels[labels >= 0], minlength=len(classes)).numpy()
    return [each.name for each in suggest(views, known, classes, number, pixels).photos]


def curves(
    pool: Sequence[Photo], sets: Sequence[Sequence[Photo]], classes: ClassSet,
    given: argparse.Namespace, seed: int,
) -> list[list[list[float]]]:  # fmt: skip
    """The mean IU by each way, after each round (the start included), on each of the ``sets``."""
    order = np.random.default_rng(seed).permutation(len(pool))[: given.start]
    start = {pool[place].name for place in order}
    first = fitted([photo for photo in pool if photo.name in start], len(classes))
    scores = []
    for way in WAYS:
        names, fit = start, first
        of_way = [[mean_iu(photos, *fit) for photos in sets]]
        for _ in range(given.rounds):
            labelled = [photo for photo in pool if photo.name in names]
            left = [photo for photo in pool if photo.name not in names]
            names = names | set(next_photos(way, left, labelled, classes, fit, given.number, seed))
            fit = fitted([photo for photo in pool if photo.name in names], len(classes))
            of_way.append([mean_iu(photos, *fit) for photos in sets])
        print(f"seed {seed}, {way}:", *(percent(of_set) for of_set in of_way[-1]), flush=True)
        scores.append(of_way)
    return scores


def opened(given: argparse.Namespace) -> tuple[list[Photo], list[Photo], ClassSet]:
    """The photos of train and of val, their features scaled alike, and the classes."""
    train, val = (open_source(given.data, split) for split in ("train", "val"))
    if given.photos:
        train, val = (only(s, list(s.names)[: given.photos], s.split) for s in (train, val))
    spec = NetSpec(NET, len(train.classes))
    net = FCN(spec).eval()
    weights, _ = resolve_weights(IMAGENET, spec)
    preprocessing = start_from(net, weights).preprocessing
    photos = [photos_of(net, preprocessing, source) for source in (train, val)]
    pixels = torch.cat([photo.pixels for photo in photos[0]])
    mean, deviation = pixels.mean(0), pixels.std(0).clamp_min(1e-6)
    for photo in [*photos[0], *photos[1]]:
        photo.pixels.sub_(mean).div_(deviation)
    return photos[0], photos[1], train.classes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--start", type=int, default=20, help="photos labelled at first")
    parser.add_argument("--number", type=int, default=20, help="photos of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow it")
    parser.add_argument("--photos", type=int, help="at most so many of train and of val")
    parser.add_argument("--json", help="write the result to this file")
    given = parser.parse_args()
    train, val, classes = opened(given)
    order = np.random.default_rng(1000).permutation(len(train))
    scored = min(100, len(train) // 4)
    held_out, pool = ([train[n] for n in part] for part in (order[:scored], order[scored:]))
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    every = np.array([curves(pool, (held_out, val), classes, given, seed) for seed in seeds])
    scores = dict(zip(WAYS, every.swapaxes(0, 1), strict=True))  # seeds, rounds, sets
    counts = [given.start + number * given.number for number in range(given.rounds + 1)]
    head = ["photos chosen by", *(f"{count} photos" for count in counts)]
    tables = []
    for place, title in enumerate(("photos like the pool", "val")):
        rows = []
        for way in WAYS:
            ahead = (scores[way] - scores["random"])[..., place]
            error = ahead.std(0, ddof=1) / len(ahead) ** 0.5 if len(ahead) > 1 else ahead[0] * 0
            cells = zip(scores[way][..., place].mean(0), ahead.mean(0), error, strict=True)
            rows.append(
                [way, *(f"{percent(m)} ({100 * a:+.1f} ± {100 * e:.1f})" for m, a, e in cells)]
            )
        tables.append(Table(f"Mean IU on {title}", head, rows))
    notes = [
        f"{len(pool)} photos to choose from, {scored} and {len(val)} to score on; means of "
        f"{given.seeds} seeds; in brackets the difference to random choice with its standard error."
    ]
    Result(tables, notes).finish(given.json)


if __name__ == "__main__":
    main()
