"""Wires the application: routes, errors, and the middleware around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.errors import MalformedBody, MethodNotAllowed, NotFound, ServeryError
from service.web.api import routes
from service.web.http import body
from service.web.http.middleware import RequestMiddleware
from service.web.http.record import Endpoint, error_response
from service.web.state import AppState

if TYPE_CHECKING:
    from service.rpc.server import RpcServer

DESCRIPTION = "Versioned TensorFlow SavedModels, served in full batches."


def create_app(state: AppState) -> RequestMiddleware:
    """The ASGI application around `state`, whose engine starts and stops with it."""
    api, direct = create_api(state)
    return RequestMiddleware(api, state, direct)


def create_api(state: AppState) -> tuple[FastAPI, dict[str, Endpoint]]:
    """FastAPI with our routes and our error shape; by path, its direct endpoints."""
    rpc = _create_rpc(state)

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await state.engine.start()
        if rpc is not None:
            await rpc.start()
        yield
        if rpc is not None:
            await rpc.stop()
        await state.engine.stop()
        state.close()

    api = FastAPI(
        title="Servery",
        version=version("servery"),
        description=DESCRIPTION,
        lifespan=lifespan,
        exception_handlers={
            ServeryError: _answer,
            RequestValidationError: _answer_invalid,
            HTTPException: _answer_http,
        },
    )
    return api, routes.mount(api)


def _create_rpc(state: AppState) -> "RpcServer | None":
    """gRPC, which is imported only where a port is set for it."""
    if not state.settings.grpc_port:
        return None
    from service.rpc.server import RpcServer

    return RpcServer(state)


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServeryError)  # registered for no other  # noqa: S101
    return error_response(error, request.scope["record"])


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return await _answer(request, body.describe(error.errors()))


async def _answer_http(request: Request, error: Exception) -> Response:
    """The framework's own: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return await _answer(request, _translate(request, error))


def _translate(request: Request, error: HTTPException) -> ServeryError:
    path = request.url.path
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound(f"There is nothing at {path}; /docs lists what is.")
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "another method")
        return MethodNotAllowed(
            f"{path}: expected {allowed}, received {request.method}.", allowed=allowed
        )
    return MalformedBody(str(error.detail))
