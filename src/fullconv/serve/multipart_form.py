"""The photo in a form, as pages and ``curl -F`` send it. Nothing goes to the disk."""

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from fullconv.serve.request_errors import Refusal

PART = "photo"
PARTS = 16
"""More are not read: nobody sends a photo in so many."""


def photo_part(content_type: str, body: bytes) -> bytes:
    """The content of the part called ``photo``; Refusal (422) where there is none.

    The file's name is not looked at.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refusal(422, "multipart/form-data without its boundary")
    form = _Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())  # pyright: ignore
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Refusal(422, f"the form cannot be read: {error}") from error
    if form.inside:
        raise Refusal(422, "the form ends in the middle of the photo")
    if form.photo is None:
        raise Refusal(422, f"no part of the form is called {PART!r}: curl -F {PART}=@photo.jpg")
    return bytes(form.photo)


class _Form:
    """Puts together what the parser finds: of the first part called ``photo``, its content."""

    def __init__(self) -> None:
        self.photo: bytearray | None = None
        self.parts = 0
        self.inside = False
        self.name, self.value = b"", b""

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self.begin,
            "on_header_field": self.field,
            "on_header_value": self.said,
            "on_header_end": self.header,
            "on_part_data": self.data,
            "on_part_end": self.end,
        }

    def begin(self) -> None:
        self.parts += 1
        if self.parts > PARTS:
            raise Refusal(422, f"the form has more than {PARTS} parts")

    def field(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]

    def said(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def header(self) -> None:
        if self.name.lower() == b"content-disposition" and self.photo is None:
            _, options = parse_options_header(self.value)
            if options.get(b"name") == PART.encode():
                self.photo, self.inside = bytearray(), True
        self.name, self.value = b"", b""

    def data(self, data: bytes, start: int, end: int) -> None:
        if self.inside and self.photo is not None:
            self.photo += data[start:end]

    def end(self) -> None:
        self.inside = False
