"""The routes. A handler checks, asks an engine, and encodes; all that is shared is in :class:`Server`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

import ganlib
from ganlib.core.errors import BadInput
from ganlib.generation.condition_record import Choice
from ganlib.generation.conditions import choose
from ganlib.generation.detection.detector import Detection
from ganlib.generation.formats.base import texts
from ganlib.generation.pictures.interpolate import slerp
from ganlib.generation.sampling import SamplingRequest
from ganlib.generation.spec import require_range
from ganlib.serving import pictures
from ganlib.serving.access import Access, Below, Cors
from ganlib.serving.api_page import as_head
from ganlib.serving.api_page import page as reference_page
from ganlib.serving.limits import PICTURES, Answers, Bodies
from ganlib.serving.pool import LoadedModel
from ganlib.serving.problems import PROBLEMS, DigestMismatch, handle_errors
from ganlib.serving.schema import Health, Images, ImagesBody, ImagesRequest, ModelList, Ready, WalkBody, WalkRequest
from ganlib.serving.shared import Server

if TYPE_CHECKING:
    from starlette.types import ASGIApp

STATIC = Path(__file__).parent / "static"
_FILES = {
    "page.css": "text/css",
    "page.js": "text/javascript",
    "answers.js": "text/javascript",
    "detect.js": "text/javascript",
}
_FRESH = {"Cache-Control": "no-cache"}  # keep it, but ask whether it still holds
_SMALL = 4  # images that are encoded on the spot: faster than to hand them to a thread
_NPY, _KINDS = "application/octet-stream", {"png": "image/png", "grid": "image/png", "strip": "image/png"}


class _Application(FastAPI):
    """FastAPI, whose document tells of HEAD, too: :class:`Answers` has it asked wherever GET is."""

    def openapi(self) -> dict[str, Any]:
        fresh = not self.openapi_schema
        document = super().openapi()
        for operations in document["paths"].values() if fresh else ():
            if "get" in operations:
                operations["head"] = as_head(operations["get"])
        return document


def create(server: Server) -> ASGIApp:
    """Return the application: the API under ``/v1``, the page for people at ``/``, and what operators need."""
    app = _Application(
        title="ganlib",
        version=ganlib.__version__,
        description="Images from registered generators. Image i depends only on (model sha256, seed, i): the same "
        "request gives the same bytes, which are those that `ganlib generate` writes.",
        docs_url=None,  # these load scripts from elsewhere; /docs is ours and works offline
        redoc_url=None,
        redirect_slashes=False,  # it would send to the Host header's host, without TLS
    )
    app.state.server = server
    handle_errors(app)
    _add_images(app)
    _add_detection(app)
    _add_operations(app)
    _add_pages(app, server.limits.root_path)
    limits = server.limits
    inner: ASGIApp = Bodies(Below(app, limits), limits)
    if limits.allowed_origins:
        inner = Cors(inner, limits)
    return Answers(Access(inner, limits), server.metrics)


_IMAGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Images,
        "description": "The images.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/png", _NPY)},
        "headers": {
            "X-Ganlib-Model-Sha256": {"schema": {"type": "string"}, "description": "of the ONNX file"},
            "X-Ganlib-Version": {"schema": {"type": "string"}, "description": "in the registry, if it is there"},
            "X-Ganlib-Seed": {"schema": {"type": "string"}},
            "X-Ganlib-Digital-Source-Type": {"schema": {"type": "string"}, "description": "IPTC's: made by a model"},
            "X-Ganlib-AIGC": {"schema": {"type": "string"}, "description": "GB 45438-2025: JSON, in ASCII"},
        },
    }
}
InQuery = Annotated[ImagesRequest, Query()]
WalkInQuery = Annotated[WalkRequest, Query()]


def _add_images(app: FastAPI) -> None:
    responses = _IMAGE_RESPONSES | PROBLEMS
    tags: list[str | Enum] = ["images"]

    @app.get("/v1/images", responses=responses, response_class=Response, tags=tags)
    async def get_images(query: InQuery, request: Request) -> Response:
        """Images of a seed, by query."""
        return await _images(query, request)

    @app.post("/v1/images", responses=responses, response_class=Response, tags=tags)
    async def post_images(body: ImagesBody, request: Request) -> Response:
        """Images of a seed, by JSON."""
        return await _images(body, request)

    @app.get("/v1/walk", responses=responses, response_class=Response, tags=tags)
    async def get_walk(query: WalkInQuery, request: Request) -> Response:
        """From one image to another, by query."""
        return await _walk(query, request)

    @app.post("/v1/walk", responses=responses, response_class=Response, tags=tags)
    async def post_walk(body: WalkBody, request: Request) -> Response:
        """From one image to another, by JSON."""
        return await _walk(body, request)

    @app.get("/v1/models", tags=tags)
    async def models(request: Request) -> ModelList:
        """What is served, and the limits."""
        return _server(request).models()


async def _images(query: ImagesRequest, request: Request) -> Response:
    server = _server(request)
    with server.admitted(), server.pool.use(query.model) as entry:
        request.state.headers = _headers(entry, query.seed)
        _require_model(entry, query.sha256)
        _require_most("count", query.count, server.limits.max_images)
        if query.format == "png" and query.count != 1:
            raise BadInput(f"a PNG file holds one image, not {query.count}: ask for the format grid or json.")
        require_range(query.start, query.count)
        wish = _request(entry, query)
        images = await server.wait(entry.engine.images(wish, query.start, query.count))

        provenance = pictures.card(entry, query, str(wish.condition.record), server.mark)
        request.state.headers |= pictures.headers(provenance)

        def encode() -> bytes:
            if query.format == "grid":
                return pictures.sheet(provenance, images, query.columns)
            if query.format == "npy":
                return pictures.npy(images)
            conditions = _conditions(entry, wish, query.start, query.count)
            spec = entry.model.spec
            if query.format == "png":
                condition_texts = texts(spec, conditions)
                return pictures.single(
                    provenance, images[0], query.start, condition_texts[0] if condition_texts else None
                )
            return pictures.as_json(provenance, spec, images, conditions, pixels=query.format == "pixels")

        return await _answer(request, entry, encode, query.count, query.format)


async def _walk(query: WalkRequest, request: Request) -> Response:
    import numpy as np

    server = _server(request)
    with server.admitted(), server.pool.use(query.model) as entry:
        request.state.headers = _headers(entry, query.seed)
        _require_model(entry, query.sha256)
        _require_most("steps", query.steps, server.limits.max_images)
        for index in (query.start, query.to_start):
            require_range(index, 1)
        if query.labels in get_args(Choice):
            raise BadInput(f"labels {query.labels}: a walk has one class all the way; name it, or leave labels out.")
        wish, width = _request(entry, query), entry.model.noise_dim
        begin, end = (
            each.rows(width, index, index + 1)
            for each, index in ((wish, query.start), (replace(wish, seed=query.to_seed), query.to_start))
        )
        constants = {name: np.repeat(value, query.steps, axis=0) for name, value in begin.items() if name != "noise"}
        path = slerp(begin["noise"], end["noise"], query.steps)[0]
        images = await server.wait(entry.engine.run({"noise": path, **constants}))

        provenance = pictures.card(entry, query, str(wish.condition.record), server.mark)
        request.state.headers |= pictures.headers(provenance)

        def encode() -> bytes:
            if query.format == "strip":
                return pictures.sheet(provenance, images, query.steps)
            return pictures.as_json(provenance, entry.model.spec, images, constants)

        return await _answer(request, entry, encode, query.steps, query.format)


def _request(entry: LoadedModel, query: ImagesRequest | WalkRequest) -> SamplingRequest:
    """What is asked of the model; a label names a class here, and never a file."""
    condition = choose(entry.model, query.labels, query.caption, files=False)
    condition.require(1)
    return entry.model.request(query.seed, condition, query.truncation)


def _conditions(entry: LoadedModel, wish: SamplingRequest, start: int, count: int) -> Mapping[str, Any]:
    """What was asked for each image, by the input's name."""
    if wish.condition.record.input_name is None:
        return {}
    inputs = wish.rows(entry.model.noise_dim, start, start + count)
    del inputs["noise"]
    return inputs


async def _answer(request: Request, entry: LoadedModel, encode: Any, count: int, form: str) -> Response:
    body = encode() if count <= _SMALL else await asyncio.to_thread(encode)
    _server(request).metrics.images.labels(entry.name).inc(count)
    kind = _NPY if form == "npy" else _KINDS.get(form, "application/json")
    return Response(body, media_type=kind, headers=request.state.headers)


def _headers(entry: LoadedModel, seed: int) -> dict[str, str]:
    version = entry.open_model.version
    return {
        "X-Ganlib-Model": entry.name if entry.name.isascii() else "",
        "X-Ganlib-Model-Sha256": entry.model.sha256,
        "X-Ganlib-Version": "" if version is None else str(version),
        "X-Ganlib-Seed": str(seed),
        **_FRESH,  # an alias may move
    }


def _require_model(entry: LoadedModel, sha256: str | None) -> None:
    if sha256 and sha256 != entry.model.sha256:
        raise DigestMismatch(f"{entry.name} is of sha256 {entry.model.sha256} now, not {sha256}: ask again without it.")


def _require_most(name: str, value: int, most: int) -> None:
    if value > most:
        raise BadInput(
            f"{name} must be at most {most:,} a request (got {value:,}); `ganlib generate` makes any number."
        )


_PICTURE = {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}


def _add_detection(app: FastAPI) -> None:
    @app.post(PICTURES, responses=PROBLEMS, openapi_extra={"requestBody": _PICTURE}, tags=["detection"])
    async def detect(request: Request) -> Detection:
        """Whether the picture that is the body, a file as it is, was made here."""
        server = _server(request)
        with server.admitted():
            return await server.wait(server.reader.detect(await request.body()))


def _add_operations(app: FastAPI) -> None:
    @app.get("/health", tags=["operations"])
    async def health() -> Health:
        """The process runs and answers."""
        return Health()

    @app.get("/ready", responses={503: {"model": Ready, "description": "Ending."}}, tags=["operations"])
    async def ready(request: Request) -> Response:
        """Whether requests should be sent here. A registry that is down does not change that."""
        server = _server(request)
        state = Ready(
            ready=not server.draining,
            models={entry.name: entry.model.sha256 for entry in server.pool.all()},
            registry="down" if server.watcher.problem else "up",  # why may name places and people: it is in the log
        )
        return JSONResponse(state.model_dump(), 200 if state.ready else 503)

    @app.get("/metrics", response_class=Response, tags=["operations"],
             responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})  # fmt: skip
    async def metrics(request: Request) -> Response:
        """For Prometheus."""
        return Response(_server(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_pages(app: FastAPI, root: str) -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    if root:  # some proxies offer it at /gan without a redirect to /gan/, from where its links lead elsewhere
        page = page.replace("<head>", f'<head>\n  <base href="{root}/">')

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(page, headers=_FRESH)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference_page(app.openapi()))

    @app.get("/static/{name}", include_in_schema=False)
    async def static(name: str) -> FileResponse:
        if name not in _FILES:
            raise HTTPException(404, "no such file.")
        return FileResponse(STATIC / name, media_type=_FILES[name], headers=_FRESH)


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server
