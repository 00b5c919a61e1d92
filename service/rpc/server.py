"""The gRPC server of one process: its services, its limits, its end."""

import asyncio
import logging

import grpc
from grpc_reflection.v1alpha import reflection

from service.rpc import inference, model_service, prediction
from service.rpc.health import Health
from service.rpc.methods import build_service
from service.rpc.tls import Shown
from service.web.state import AppState

logger = logging.getLogger(__name__)

_GRPC = "grpc._cython.cygrpc"  # the logger of its own faults

IDLE_MS = 300_000  # a connection without RPCs for so long is closed
OTHER_RPCS = 64  # beside those that compute: health, metadata, streams that rest
HEAD_BYTES = 16 * 1024  # metadata of an RPC; gRPC's own limit, which it may raise


class RpcServer:
    """Serves gRPC in this event loop, on `grpc_port`, as other processes may too.

    Args:
        state: What all requests share, HTTP's too.
    """

    def __init__(self, state: AppState):
        self._state = state
        settings = state.settings
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._address = f"{host}:{settings.grpc_port}"
        self._server: grpc.aio.Server | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Accept RPCs, until the state says that the process leaves.

        Raises:
            RuntimeError: Nothing can listen there.
        """
        state = self._state
        logging.getLogger(_GRPC).addFilter(_says_something)
        server = self._server = grpc.aio.server(
            options=_options(state),
            maximum_concurrent_rpcs=2 * state.settings.max_in_flight + OTHER_RPCS,
        )
        services = [
            (inference.SERVICE, inference.METHODS),
            (prediction.SERVICE, prediction.METHODS),
            (model_service.SERVICE, model_service.METHODS),
        ]
        server.add_generic_rpc_handlers(
            tuple(build_service(state, *service) for service in services)
        )
        names = [service.full_name for service, _ in services]
        Health(state, names).add_to(server)
        names += ["grpc.health.v1.Health", reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server)
        if state.certificates is None:
            server.add_insecure_port(self._address)
        else:
            credentials = Shown(state.certificates).credentials()
            server.add_secure_port(self._address, credentials)
        await server.start()
        self._leaving = asyncio.create_task(self._leave())
        logger.info("gRPC on %s", self._address)

    async def stop(self) -> None:
        """Take nothing new, finish what is under way within the limit, cancel it."""
        self._state.leaving.set()
        if self._leaving is not None:
            await self._leaving

    async def _leave(self) -> None:
        await self._state.leaving.wait()
        assert self._server is not None  # started  # noqa: S101
        await self._server.stop(self._state.settings.drain_timeout_s)


def _says_something(line: logging.LogRecord) -> bool:
    """Not that metadata is no UTF-8: anybody may send it, a token even, and we cope."""
    return not str(line.msg).startswith("Invalid encoding")


def _options(state: AppState) -> list[tuple[str, int]]:
    settings = state.settings
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", settings.max_body_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", settings.max_in_flight + OTHER_RPCS),
        ("grpc.max_metadata_size", HEAD_BYTES),
        ("grpc.absolute_max_metadata_size", HEAD_BYTES),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.server_handshake_timeout_ms", round(settings.head_timeout_s * 1000)),
    ]
