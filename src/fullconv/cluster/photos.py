"""Photos predicted by the workers of a cluster, to the bytes that one machine would write."""

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Unpack

from fullconv.cluster.connection import ClusterOptions
from fullconv.cluster.workers import Reply, replies
from fullconv.data.remote.remote_files import Stored
from fullconv.errors import UserError
from fullconv.inference.batch_predict import PhotoResult
from fullconv.inference.engines.registry import Say
from fullconv.inference.photos.find_photos import Input
from fullconv.inference.prediction import DrawOptions
from fullconv.inference.predictor import Predictor
from fullconv.inference.storage.outputs import FolderOutput, Output, output_at
from fullconv.inference.storage.parquet import PhotoTable
from fullconv.inference.storage.predict_stored import predict_recorded
from fullconv.inference.storage.predictor_options import PredictorOptions

MOST_PHOTOS, MOST_BYTES = 32, 2**26
"""Limits of an item for a worker: photos, and bytes of their files."""
_TURNS = 8  # items for each of several workers, at least: those that are done early take more


def predict_on_cluster(
    cluster: ClusterOptions,
    options: PredictorOptions,
    workers: int,
    say: Say,
    photos: Sequence[Input],
    output: Output,
    job: str,
    **drawn: Unpack[DrawOptions],
) -> Generator[PhotoResult, None, None]:
    """As `predict_recorded`, by the workers of a cluster, which read and write themselves.

    Files of a disk must have the same path on each machine. Yields a result for each photo, once,
    as they come, then those with errors in the order of the photos.
    """
    place = os.path.abspath(output.address) if isinstance(output, FolderOutput) else output.address
    items = [
        {
            "photos": [_plain(number, photos[number]) for number in numbers],
            "out": place,
            "job": job,
            "drawn": dict(drawn),
        }
        for numbers in _parts(photos, workers)
    ]
    seen: set[int] = set()
    errors: dict[int, PhotoResult] = {}
    for reply in replies(cluster, options, predict_item, items, say):
        number = reply["number"]
        if number in seen:
            continue
        seen.add(number)
        result = _result(photos[number], reply)
        if result.error:
            errors[number] = result
        else:
            yield result
    yield from (errors[number] for number in sorted(errors))


def predict_item(predictor: Predictor, item: dict[str, Any]) -> Iterator[Reply]:
    """A worker's part: predict the photos of an item and record them."""
    photos = [_photo(plain) for plain in item["photos"]]
    numbers = [plain["number"] for plain in item["photos"]]
    results = predict_recorded(
        predictor, photos, output_at(item["out"]), item["job"], **item["drawn"]
    )
    replies = []
    for number, result in zip(numbers, results, strict=True):
        error = result.error
        replies.append({
            "number": number,
            "error": "" if error is None else str(error),
            "error_code": "" if error is None else error.code,
            "seconds": result.seconds,
            "written": [path.as_posix() for path in result.written],
        })  # fmt: skip
    yield from replies  # when all are recorded


def _result(photo: Input, reply: Reply) -> PhotoResult:
    message = reply["error"]
    if photo.file:  # as it was named here
        message = message.replace(os.path.abspath(photo.file), str(photo.file), 1)
    error = UserError(message, reply["error_code"]) if message else None
    written = tuple(map(Path, reply["written"] or ()))
    return PhotoResult(photo, written, error, reply["seconds"])


def _parts(photos: Sequence[Input], workers: int) -> Iterator[list[int]]:
    """The numbers of the photos of each item: photos that follow each other, of one table."""
    part: list[int] = []
    # Between two items the net waits for the last results and the first photos.
    most = min(MOST_PHOTOS, len(photos) // (workers * _TURNS)) if workers > 1 else MOST_PHOTOS
    size, most = 0, max(1, most)
    for number, photo in enumerate(photos):
        more = photo.stored.size if photo.stored and not photo.table else 0
        other = part and (photo.table, photo.row[0]) != _place(photos[part[-1]])
        full = len(part) >= most or (part and size + more > MOST_BYTES)
        if other or full:
            yield part
            part, size = [], 0
        part.append(number)
        size += more
    if part:
        yield part


def _place(photo: Input) -> tuple[PhotoTable | None, int]:
    return photo.table, photo.row[0]


def _plain(number: int, photo: Input) -> dict[str, Any]:
    """A photo in JSON types."""
    if photo.content is not None:
        raise UserError(
            "-: a picture on standard input is predicted on this machine: leave --cluster out",
            "FC-CLUSTER-002",
        )
    return {
        "number": number,
        "file": os.path.abspath(photo.file) if photo.file else None,
        "result": photo.result.as_posix(),
        "url": photo.url,
        "stored": asdict(photo.stored) if photo.stored else None,
        "table": photo.table.address if photo.table else None,
        "row": photo.row,
    }


def _photo(plain: dict[str, Any]) -> Input:
    return Input(
        Path(plain["file"]) if plain["file"] else None,
        Path(plain["result"]),
        url=plain["url"],
        stored=Stored(**plain["stored"]) if plain["stored"] else None,
        table=_table(plain["table"]) if plain["table"] else None,
        row=tuple(plain["row"]),
    )


@lru_cache(4)
def _table(address: str) -> PhotoTable:
    return PhotoTable(address)
