"""Wires the application: routes, errors, and the middleware around them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from service.errors import (
    MalformedBody,
    MethodNotAllowed,
    ServeryError,
    forget_frames,
)
from service.watched import watch
from service.web.api import routes
from service.web.api.description import Api
from service.web.api.query import refuse_unknown
from service.web.http.direct import DirectEndpoints
from service.web.http.forwarded import strip_prefix
from service.web.http.middleware import RequestMiddleware
from service.web.http.record import INTERNAL, error_response
from service.web.http.wording import describe
from service.web.state import AppState
from service.wording import show

if TYPE_CHECKING:
    from service.rpc.server import RpcServer

DESCRIPTION = "Versioned TensorFlow SavedModels, served in full batches."


def create_app(state: AppState) -> RequestMiddleware:
    """The ASGI application around `state`, whose engine starts and stops with it."""
    api, direct = create_api(state)
    return RequestMiddleware(api, state, direct)


def create_api(state: AppState) -> tuple[FastAPI, DirectEndpoints]:
    """FastAPI with our routes and our error shape; by path, its direct endpoints."""
    rpc = _create_rpc(state)

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await state.engine.start()
        state.decoders.start()
        if rpc is not None:
            await rpc.start()
        watching = asyncio.create_task(_watch_files(state))
        yield
        watching.cancel()
        if rpc is not None:
            await rpc.stop()
        await state.engine.stop()
        state.close()

    api = Api(
        state,
        title="Servery",
        version=version("servery"),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # ours load nothing from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # it would name a scheme and a host that may be foreign
        dependencies=[Depends(refuse_unknown)],
    )
    add_error_handlers(api)
    direct = api.state.direct = routes.mount(api)
    state.tasks.shipped = api.state.shipped
    return api, direct


def add_error_handlers(api: FastAPI) -> None:
    """Have every error of `api` answered in our one shape."""
    api.add_exception_handler(ServeryError, _answer)
    api.add_exception_handler(RequestValidationError, _answer_invalid)
    api.add_exception_handler(HTTPException, _answer_http)
    api.add_exception_handler(Exception, _answer_fault)  # raised on, and then logged


def _create_rpc(state: AppState) -> "RpcServer | None":
    """gRPC, which is imported only where a port is set for it."""
    if not state.settings.grpc_port:
        return None
    from service.rpc.server import RpcServer

    return RpcServer(state)


async def _watch_files(state: AppState) -> None:
    looks = []
    if state.settings.api_keys is not None:
        looks.append(state.access.look)
    if state.certificates is not None:
        looks.append(state.certificates.look)
    if looks:
        await watch(looks, state.settings.poll_seconds)


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServeryError)  # registered for no other  # noqa: S101
    forget_frames(error)
    state, record = request.scope["servery"], request.scope["record"]
    await state.accounting.pause(error, record)
    return error_response(error, record)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return await _answer(request, describe(error.errors()))


async def _answer_fault(request: Request, error: Exception) -> Response:
    return await _answer(request, ServeryError(INTERNAL))


async def _answer_http(request: Request, error: Exception) -> Response:
    """The framework's own: no such path, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    return await _answer(request, _translate(request, error))


def _translate(request: Request, error: HTTPException) -> ServeryError:
    path = show(request.url.path)
    if error.status_code == HTTPStatus.NOT_FOUND:
        state: AppState = request.scope["servery"]
        return state.nothing_at(path)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_find_methods(request))
        received = request.scope["record"].method
        return MethodNotAllowed(
            f"{path}: expected {allowed}, received {received}.", allowed=allowed
        )
    return MalformedBody(str(error.detail))


def _find_methods(request: Request) -> list[str]:
    """What a path can be asked by; the framework tells the methods of one route.

    A path of several templates is that of the most letters: a model's call, no model.
    """
    path = strip_prefix(request.scope["path"], request.scope.get("root_path", ""))
    found = [each for each in request.app.state.routes if each.path_regex.match(path)]
    longest = max((each.path for each in found), key=len)
    methods = {name for each in found if each.path == longest for name in each.methods}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))
