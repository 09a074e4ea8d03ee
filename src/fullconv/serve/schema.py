"""The requests and answers, described for OpenAPI."""

from typing import Any, Literal

from pydantic import BaseModel, Field

Task = Literal["semantic", "binary", "multilabel"]


class ErrorAnswer(BaseModel):
    """Every answer that is not 200."""

    error: str = Field(description="What is wrong, and what to do.")
    code: str = Field(description="The kind of error, as docs/errors.md lists it; it is stable.")


class Rle(BaseModel):
    """COCO's uncompressed run-length code; pycocotools.mask.frPyObjects reads it."""

    size: list[int] = Field(description="Height and width.", min_length=2, max_length=2)
    counts: list[int] = Field(
        description="Pixels outside and inside by turns, down the columns, beginning outside."
    )


class Png(BaseModel):
    """A picture inside the JSON."""

    png: str = Field(description="A PNG file in base64.")


class Region(BaseModel):
    """A class, and which pixels of the photo have it."""

    index: int = Field(description="Its value in the mask.")
    name: str
    color: list[int] = Field(description="Red, green, blue.", min_length=3, max_length=3)
    background: bool = Field(description="No object: overlays leave the photo as it is there.")
    pixels: int
    share: float = Field(description="Of the photo's pixels.", ge=0, le=1)
    rle: Rle | None = Field(description="null where no pixel has it.")
    mask: Png | None = Field(
        default=None,
        description="Of several overlapping classes, where mask=true asks for it: 0 and 1.",
    )
    probability: Png | None = Field(
        default=None,
        description="Likewise where probability=true asks for it: 0 to 255.",
    )


class Segmentation(BaseModel):
    """Which class each pixel of a photo has, EXIF orientation applied."""

    model: str
    task: Task = Field(description="Whether classes exclude each other (semantic) or may overlap.")
    output: str = Field(description="Of a net with several outputs, which one; else empty.")
    width: int
    height: int
    seconds: float = Field(description="From the photo's place in the queue to the net's result.")
    confidence: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How far to trust the answer: the mean probability of the pixels' classes, "
        "which is the share of pixels expected to be right where the net was calibrated "
        "(`fullconv calibrate`). null of a net that gives classes alone.",
    )
    classes: list[Region]
    mask: Png | None = Field(
        default=None, description="The mask, where it was asked for by mask=true."
    )
    probability: Png | None = Field(
        default=None,
        description="How probable each pixel's class is, grey, 0 to 255, where it was asked for by "
        "probability=true; null where an exported file gives classes alone.",
    )


class ClassDescription(BaseModel):
    """A class of a net."""

    index: int
    name: str
    color: list[int]


class OutputDescription(BaseModel):
    """One of the label maps that a net gives; an overlapping class has one of its own."""

    name: str = Field(description="Empty where there is one output.")
    threshold: float | None = Field(
        description="The probability from which an overlapping class is there; else null."
    )
    classes: list[ClassDescription]


class ModelDescription(BaseModel):
    """A net that photos can be shown to."""

    name: str = Field(description="What requests call it.")
    net: str = Field(description="Its structure.")
    task: Task = Field(
        description="semantic: a class for each pixel; binary: whether a pixel has the class; "
        "multilabel: the same for each of several classes, which may overlap."
    )
    outputs: list[OutputDescription]


class Limits(BaseModel):
    """The limits behind the statuses 413 and 504."""

    bytes: int
    pixels: int
    seconds: float


class ModelList(BaseModel):
    """The nets of this service; the first is taken where none is named."""

    models: list[ModelDescription]
    limits: Limits


class State(BaseModel):
    """Whether the service works."""

    status: str


_BINARY = {"type": "string", "format": "binary"}

PHOTO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A photo: the body itself, or a part called 'photo' of a form. Its kind is "
        "found out from its bytes.",
        "content": {
            "image/*": {"schema": _BINARY},
            "application/octet-stream": {"schema": _BINARY},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {"photo": _BINARY},
                },
                "encoding": {"photo": {"contentType": "image/*"}},
            },
        },
    }
}

_WHY = {
    400: "A token in the URL.",
    401: "No token, or a wrong one, where the service asks for one.",
    403: "Asked by a page of another origin.",
    404: "No such model or output.",
    406: "Accept asks for what does not exist.",
    408: "The photo did not arrive in time.",
    413: "Too many bytes or pixels.",
    415: "The body's content type is no photo's.",
    421: "The service is not called by that name.",
    422: "Not a picture that can be read, or a wrong parameter.",
    500: "An error of the program.",
    503: "The queue is full: Retry-After says when to come again.",
    504: "Not done in time.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers by these statuses, for a route's ``responses``."""
    return {status: {"model": ErrorAnswer, "description": _WHY[status]} for status in statuses}


GUARDED = errors(400, 401, 403, 421)
SEGMENTED: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Segmentation,
        "description": "As Accept asks: application/json; image/png, the mask (a palette picture, "
        "its values the classes; of an overlapping class 0 and 1); image/png; picture=overlay, the "
        "photo tinted by its classes; "
        "image/png; picture=probability, how probable each pixel's class is, 0 to 255.",
        "content": {"image/png": {"schema": _BINARY}},
        "headers": {
            "X-Confidence": {
                "schema": {"type": "number", "minimum": 0, "maximum": 1},
                "description": "As `confidence` in the JSON; missing where that is null.",
            }
        },
    },
    **GUARDED,
    **errors(404, 406, 408, 413, 415, 422, 500, 503, 504),
}
