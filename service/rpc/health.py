"""gRPC's health checking, by the service's readiness and each model's.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthServicer, add_HealthServicer_to_server

from service.engine.catalog import VersionState
from service.web.state import AppState

WATCH_S = 0.5  # how often a watched state is looked at

Answer = health_pb2.HealthCheckResponse


class Health(HealthServicer):  # type: ignore[misc]
    """Answers for the whole service by its name or none, and for a model by its.

    Args:
        state: What all requests share.
        services: The full names of the gRPC services.
    """

    def __init__(self, state: AppState, services: Sequence[str]):
        self._state = state
        self._whole = ("", *services)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have `server` answer with it."""
        add_HealthServicer_to_server(self, server)

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The state at this moment."""
        status = self._status(request.service)
        if status == Answer.SERVICE_UNKNOWN:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            named = request.service[:256]
            context.set_details(f"No service or model is named {named!r}.")
        return Answer(status=status)

    async def Watch(  # noqa: N802
        self, request: Any, context: Any
    ) -> AsyncIterator[Any]:
        """The state, and every other one that follows, until the service leaves."""
        last, leaving = None, self._state.leaving
        while not leaving.is_set():
            status = self._status(request.service)
            if status != last:
                yield Answer(status=status)
                last = status
            with suppress(TimeoutError):
                await asyncio.wait_for(leaving.wait(), WATCH_S)
        if last != Answer.NOT_SERVING:
            yield Answer(status=Answer.NOT_SERVING)

    def _status(self, name: str) -> int:
        catalog, draining = self._state.engine.catalog, self._state.draining
        if name in self._whole:
            serving = not draining and not catalog.problems()
        elif name in catalog.models:
            versions = catalog.models[name].versions
            ready = any(each.state is VersionState.READY for each in versions)
            serving = ready and not draining
        else:
            return int(Answer.SERVICE_UNKNOWN)
        return int(Answer.SERVING if serving else Answer.NOT_SERVING)
