"""The HTTP side: routes, errors as JSON, the page's files."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from fullconv import __version__
from fullconv.serve import page, schema
from fullconv.serve.content_negotiation import wanted
from fullconv.serve.middleware import Guard
from fullconv.serve.multipart_form import photo_part
from fullconv.serve.request_counter import Counted
from fullconv.serve.request_errors import Refusal
from fullconv.serve.responses import Wish
from fullconv.serve.service import Service
from fullconv.serve.upload import received

Kind = Literal["json", "mask", "overlay", "probability"]
T = TypeVar("T")


def build_app(service: Service) -> ASGIApp:
    """The ASGI application of ``service``, which is closed when the application is shut down."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="fullconv",
        version=__version__,
        summary="Semantic segmentation with fully convolutional networks.",
        lifespan=life,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )
    _add_segment(app, service)
    _add_models(app, service)
    _add_state(app, service)
    page.add_to(app)
    _add_faults(app)
    paths = {route.path for route in app.routes if hasattr(route, "path")}  # pyright: ignore
    return Counted(Guard(app, service.settings), service.metrics, paths)


def _add_segment(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.post(
        "/v1/segment",
        summary="Segment a photo",
        responses=schema.SEGMENTED,
        openapi_extra=schema.PHOTO,
        response_class=Response,
    )
    async def segment(
        request: Request,
        model: Annotated[str | None, Query(description="Left out: the first one.")] = None,
        output: Annotated[str | None, Query(description="Left out: the first one.")] = None,
        answer: Annotated[Kind | None, Query(description="Goes before Accept.")] = None,
        alpha: Annotated[float, Query(ge=0, le=1, description="Tint of the overlay.")] = 0.6,
        mask: Annotated[bool, Query(description="Put the mask into the JSON, as a PNG.")] = False,
    ) -> Response:
        """Which class each pixel of a photo has.

        The mask is the one that `fullconv predict` writes.
        """
        wish = Wish(answer or wanted(request.headers.get("accept")), alpha, mask)
        chosen = service.models.pick(model)
        name = chosen.output(output).name
        read = _reader(request.headers.get("content-type", ""))
        body = await received(request, settings.max_bytes, settings.upload_seconds, service.sending)
        work = service.segment(chosen, name, wish, partial(read, body))
        made = await _unless_gone(request, work)
        return Response(made.content, media_type=made.media_type, headers={"Vary": "Accept"})


def _reader(content_type: str) -> Any:
    """What makes a photo's bytes of a body; Refusal (415) where its type is none of a photo."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return partial(photo_part, content_type)
    if kind.startswith("image/") or kind in ("", "application/octet-stream"):
        return bytes
    raise Refusal(
        415, f"{kind[:100]}: send a photo by -H 'Content-Type: image/jpeg' or -F photo=@photo.jpg"
    )


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the client goes."""
    task, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refusal(499, "the client has gone")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_models(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.get("/v1/models", summary="The nets and the limits", responses=schema.GUARDED)
    async def models() -> schema.ModelsSaid:
        """The nets of this service with their classes; the first is taken where none is named."""
        limits = schema.Limits(
            bytes=settings.max_bytes, pixels=settings.max_pixels, seconds=settings.seconds
        )
        return schema.ModelsSaid(models=[_said(model) for model in service.models], limits=limits)


def _said(model: Any) -> schema.ModelSaid:
    outputs = [
        schema.OutputSaid(
            name=output.name,
            classes=[
                schema.ClassSaid(index=index, name=name, color=list(color))
                for index, (name, color) in enumerate(
                    zip(output.classes.names, output.classes.colors, strict=True)
                )
            ],
        )
        for output in model.classes.outputs
    ]
    return schema.ModelSaid(name=model.name, net=model.net, outputs=outputs)


def _add_state(app: FastAPI, service: Service) -> None:
    named = schema.errors(403, 421)

    @app.get("/healthz", summary="Does the process work?", responses=named)
    async def health() -> schema.State:
        """200 as long as the process answers."""
        return schema.State(status="ok")

    @app.get("/readyz", summary="Does it take photos?", responses={**named, **schema.errors(503)})
    async def ready() -> schema.State:
        """200 where a photo would be accepted now, else 503."""
        if not service.ready:
            raise Refusal(503, "no place is free", {"Retry-After": str(service.accepted.wait)})
        return schema.State(status="ready")

    text = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

    @app.get(
        "/metrics",
        summary="For Prometheus",
        responses={**text, **schema.GUARDED},  # pyright: ignore
        response_class=Response,
    )
    async def metrics() -> Response:
        """Counters in Prometheus' text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _add_faults(app: FastAPI) -> None:
    """All errors are ``{"error": what is wrong}``."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        return JSONResponse({"error": error.message}, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        lines = [f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"error": "; ".join(lines)}, 422)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"an error of the program: {type(error).__name__}"}, 500)
