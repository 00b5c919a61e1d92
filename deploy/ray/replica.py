"""A replica: Servery's application around an engine of its own, in Ray's process.

    Ray's proxy ─▶ ReplicaApp ─▶ RequestMiddleware ─▶ engine (and tensorflow-0)
                       └─ load, where models are held one by one

The lifespan of the ASGI application is that of the engine: Ray sends nothing before its
startup is over, and ends it when the requests under way have been answered.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from prometheus_client import CollectorRegistry
from ray import serve
from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.ray.metrics import tell_ray
from service.engine.commands import Command
from service.engine.disk import find_versions
from service.engine.engine import Engine
from service.engine.in_process import Selection, running_engine
from service.errors import ServeryError
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
from service.web.state import AppState

HEADER = b"serve_multiplexed_model_id"  # by which Ray finds a replica that has it
LOAD_S = 600.0
BEHIND = ("predict", "generate", "reconstruct", "interpolate", "models", "hf")
"""What the name of a model comes after, in a path."""


class Replica:
    """What Ray starts, asks whether it is well, and ends.

    Args:
        settings: Servery's.
        most_models: That are held at a time, of those that are asked; 0 = all.
        interval_s: In which metrics are told to Ray.
    """

    def __init__(self, settings: Settings, most_models: int, interval_s: float):
        inner = {"access_log": False, "grpc_port": 0, "admin_port": 0}
        self._app = ReplicaApp(settings.model_copy(update=inner), interval_s)
        self._is_multiplexed = most_models > 0
        if most_models:
            self._app.hold = _multiplex(self._app.load, most_models)

    def __serve_build_asgi_app__(self) -> ASGIApp:  # Ray's name
        return self._app

    async def check_health(self) -> None:
        """Raise where this replica should be replaced.

        Raises:
            RuntimeError: Its engine answers for no model.
        """
        engine = self._app.engine
        problems = engine.catalog.problems() if engine is not None else []
        if problems and not self._is_multiplexed:
            raise RuntimeError(f"Not ready: {'; '.join(problems)}.")


class ReplicaApp:
    """The ASGI application.

    Args:
        settings: Servery's.
        interval_s: In which metrics are told to Ray.

    Attributes:
        engine: While it runs.
        hold: Has a model in memory, and perhaps another one no longer; None: all are.
    """

    def __init__(self, settings: Settings, interval_s: float):
        self._settings, self._interval_s = settings, interval_s
        self._inner: ASGIApp | None = None
        self._selection: Selection | None = None
        self.engine: Engine | None = None
        self.hold: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or begin and end."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        assert self._inner is not None  # Ray waits for its startup  # noqa: S101
        if self.hold is not None and scope["type"] == "http":
            await self._hold(scope)
        await self._inner(scope, receive, send)

    async def load(self, name: str) -> "HeldModel":
        """Have a model in memory; what goes wrong is said when it is asked.

        Args:
            name: Of a model that is there.
        """
        assert self.engine is not None  # it serves  # noqa: S101
        assert self._selection is not None  # noqa: S101
        self._selection.add(name)
        await self.engine.command(
            Command(action="load", model=name), time.monotonic() + LOAD_S
        )
        return HeldModel(self.engine, name)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        settings, registry = self._settings, CollectorRegistry()
        if self.hold is not None:
            self._selection = Selection(settings.artifacts)
            settings = settings.model_copy(update={"artifacts": self._selection.path})
        metrics = Metrics(registry)
        try:
            async with running_engine(settings, metrics) as engine:
                self.engine = engine
                state = AppState(settings, engine, metrics)
                self._inner = create_app(state)
                telling = asyncio.create_task(
                    tell_ray(registry, state.accounting.flush, self._interval_s)
                )
                await self._inner(scope, receive, send)
                telling.cancel()
        finally:
            self.engine = None
            if self._selection is not None:
                self._selection.close()

    async def _hold(self, scope: Scope) -> None:
        name = _find_model(scope)
        if not name or name not in await self._find_models(name):
            return  # the application says so
        try:
            await self.hold(name)
        except ServeryError:
            return  # likewise, from what the catalog knows of it now

    async def _find_models(self, name: str) -> Any:
        """The models that there are, or at least this one, if it is in memory."""
        assert self.engine is not None  # it serves  # noqa: S101
        model = self.engine.catalog.models.get(name)
        if model is not None and model.default is not None:
            return (name,)
        return await asyncio.to_thread(find_versions, self._settings.artifacts)


class HeldModel:
    """A model in memory, for as long as Ray holds this.

    Args:
        engine: In which it is.
        name: Its name.
    """

    def __init__(self, engine: Engine, name: str):
        self._engine, self._name = engine, name
        self._loop = asyncio.get_running_loop()
        self._is_held = True

    def __del__(self) -> None:
        """Let it go; those who have asked it are answered. Ray calls this itself."""
        if self._is_held and not self._loop.is_closed():
            command = Command(action="unload", model=self._name)
            work = self._engine.command(command, time.monotonic() + LOAD_S)
            asyncio.run_coroutine_threadsafe(work, self._loop)
        self._is_held = False


def _multiplex(load: Callable[[str], Awaitable[HeldModel]], most: int) -> Any:
    """What loads a model, as Ray knows it: at most so many at a time."""

    async def load_model(model_id: str) -> HeldModel:
        return await load(model_id)

    return serve.multiplexed(max_num_models_per_replica=most)(load_model)


def _find_model(scope: Scope) -> str:
    """The model that a request is for, by Ray's header or by its path."""
    for key, value in scope["headers"]:
        if key == HEADER:
            return str(value, "latin-1")
    parts = scope["path"].split("/")
    for before, name in pairwise(parts):
        if before in BEHIND:
            return str(name.partition(":")[0])
    return ""
