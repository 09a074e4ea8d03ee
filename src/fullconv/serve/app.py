"""The HTTP side: routes, errors as JSON, the page's files."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from fullconv import __version__
from fullconv.errors import did_you_mean
from fullconv.serve import page, schema
from fullconv.serve.answers import AnswerOptions, accepted_kind, check_one_mask
from fullconv.serve.middleware import Guard, RequestCounter, error_response
from fullconv.serve.request_errors import RequestError, busy, gone
from fullconv.serve.served_models import Model
from fullconv.serve.service import Service
from fullconv.serve.upload import photo_reader, received

Kind = Literal["json", "mask", "overlay", "probability"]
T = TypeVar("T")


def build_app(service: Service, log: bool = False) -> ASGIApp:
    """The ASGI application of ``service``, which is closed when the application is shut down.

    With ``log`` each request is a line on stdout.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    app = FastAPI(
        title="fullconv",
        version=__version__,
        summary="Semantic segmentation with fully convolutional networks.",
        lifespan=lifespan,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )
    _add_segment(app, service)
    _add_models(app, service)
    _add_state(app, service)
    page.add_to(app)
    _add_error_handlers(app)
    paths = {route.path for route in app.routes if hasattr(route, "path")}  # pyright: ignore
    return RequestCounter(Guard(app, service.settings), service.metrics, paths, log)


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
        model: Annotated[str | None, Query(description="Default: the first one.")] = None,
        output: Annotated[
            str | None,
            Query(
                description="Default: the first one; of a multi-label net a class, by default all."
            ),
        ] = None,
        answer: Annotated[Kind | None, Query(description="Overrides Accept.")] = None,
        alpha: Annotated[
            float, Query(ge=0, le=1, allow_inf_nan=False, description="Tint of the overlay.")
        ] = 0.6,
        mask: Annotated[bool, Query(description="Put the mask into the JSON, as a PNG.")] = False,
        probability: Annotated[
            bool, Query(description="Put each pixel's probability into the JSON, as a grey PNG.")
        ] = False,
    ) -> Response:
        """Which class each pixel of a photo has.

        The mask is the one that `fullconv predict` writes.
        """
        _check_parameters(request, set(inspect.signature(segment).parameters) - {"request"})
        kind = answer or accepted_kind(request.headers.get("accept"))
        chosen = service.models.pick(model)
        name = chosen.output(output).name
        check_one_mask(kind, chosen, name)
        photo_of = photo_reader(request.headers.get("content-type", ""))
        body = await received(request, settings.max_bytes, settings.upload_seconds, service.sending)
        work = service.segment(
            chosen, name, AnswerOptions(kind, alpha, mask, probability), partial(photo_of, body)
        )
        done = await _unless_gone(request, work)
        headers = {"Vary": "Accept"}
        if done.confidence is not None:
            headers["X-Confidence"] = f"{done.confidence:.4f}"
        return Response(done.content, media_type=done.media_type, headers=headers)


def _check_parameters(request: Request, known: set[str]) -> None:
    """RequestError (422) for a parameter that would be left out in silence, or is there twice."""
    given = request.query_params
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) or f"there are {', '.join(sorted(known))}"
            raise RequestError(422, f"{name[:100]}: no such parameter, {hint}", "FC-SERVE-012")
        if len(given.getlist(name)) > 1:
            raise RequestError(422, f"{name}: is given twice", "FC-SERVE-012")


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, which is cancelled when the client closes the connection."""
    task, closed = asyncio.create_task(work), asyncio.create_task(_closed(request))
    try:
        await asyncio.wait({task, closed}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise gone()
        return task.result()
    finally:
        task.cancel()
        closed.cancel()


async def _closed(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _add_models(app: FastAPI, service: Service) -> None:
    settings = service.settings

    @app.get("/v1/models", summary="The nets and the limits", responses=schema.GUARDED)
    async def models() -> schema.ModelList:
        """The nets of this service with their classes; the first is taken where none is named."""
        limits = schema.Limits(
            bytes=settings.max_bytes, pixels=settings.max_pixels, seconds=settings.seconds
        )
        return schema.ModelList(models=[_described(m) for m in service.models], limits=limits)


def _described(model: Model) -> schema.ModelDescription:
    outputs = [
        schema.OutputDescription(
            name=output.name,
            threshold=model.classes.thresholds[place] if model.classes.is_overlapping else None,
            classes=[
                schema.ClassDescription(index=index, name=name, color=list(color))
                for index, (name, color) in enumerate(
                    zip(output.classes.names, output.classes.colors, strict=True)
                )
            ],
        )
        for place, output in enumerate(model.classes.outputs)
    ]
    task = model.classes.task
    return schema.ModelDescription(name=model.name, net=model.net, task=task, outputs=outputs)


def _add_state(app: FastAPI, service: Service) -> None:
    unguarded = schema.errors(403, 421)

    @app.get("/healthz", summary="Does the process work?", responses=unguarded)
    async def health() -> schema.State:
        """200 as long as the process answers."""
        return schema.State(status="ok")

    @app.get(
        "/readyz", summary="Does it take photos?", responses={**unguarded, **schema.errors(503)}
    )
    async def ready() -> schema.State:
        """200 where a photo would be accepted now, else 503."""
        if not service.ready:
            raise busy(service.accepted.wait)
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


def _add_error_handlers(app: FastAPI) -> None:
    """Every error is answered as a `schema.ErrorAnswer`."""

    @app.exception_handler(RequestError)
    async def refused(_: Request, error: RequestError) -> Response:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        lines = [f"{item['loc'][-1]}: {item['msg']}" for item in error.errors()]
        return error_response(RequestError(422, "; ".join(lines), "FC-SERVE-012"))

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        detail, status = str(error.detail), error.status_code
        return error_response(RequestError(status, detail, "FC-SERVE-015", error.headers))

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        message = f"an error of the program: {type(error).__name__}; its log says more"
        return error_response(RequestError(500, message, "FC-SERVE-016"))
