"""A gRPC server in this process, around an engine that needs no TensorFlow."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from prometheus_client import CollectorRegistry

from service.contract.dtypes import NAMES
from service.contract.manifest import Manifest, read_manifest
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.batcher import Answer
from service.engine.batching.callers import ANYBODY, Turn
from service.engine.batching.tensors import Tensors
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.errors import DeadlineExceeded
from service.metrics import Metrics
from service.rpc.server import RpcServer
from service.settings import Settings
from service.web.state import AppState
from tests.versions import write_version

SERVICES = "tensorflow.serving.PredictionService", "inference.GRPCInferenceService"


def echo(dtype: str, *shape: int | None, method: str = "predict") -> Signature:
    """A signature that answers what it is given."""
    return Signature(
        inputs=(TensorSpec(name="x", dtype=dtype, shape=shape),),
        outputs=(TensorSpec(name="y", dtype=dtype, shape=shape),),
        method=f"tensorflow/serving/{method}",
    )


def examples(method: str, *outputs: TensorSpec) -> Signature:
    (text,) = echo("string", None).inputs
    return Signature(
        inputs=(text,), outputs=outputs, method=f"tensorflow/serving/{method}"
    )


SCORES = TensorSpec(name="scores", dtype="float32", shape=(None, None))
SIGNATURES = {
    "serving_default": echo("float32", None, 2),
    **{dtype: echo(dtype, None) for dtype in NAMES},
    "two": Signature(
        inputs=(
            *echo("float32", None).inputs,
            TensorSpec(name="z", dtype="int64", shape=(None,)),
        ),
        outputs=(
            *echo("float32", None).outputs,
            TensorSpec(name="w", dtype="int64", shape=(None,)),
        ),
    ),
    "classify": examples(
        "classify",
        TensorSpec(name="classes", dtype="string", shape=(None, None)),
        SCORES,
    ),
    "regress": examples(
        "regress", TensorSpec(name="outputs", dtype="float32", shape=(None, 1))
    ),
}


class FakeEngine:
    """Answers what it is given, unless it is told otherwise.

    Attributes:
        catalog: One model that is ready, `echo` with versions 1 and 2, one that is not.
        compute: Signature and inputs to outputs.
        held: Whether it answers nothing.
        submitted: What came, and the future of each.
    """

    def __init__(self, manifest: Manifest):
        versions = [
            VersionStatus(
                version=number,
                state=VersionState.READY,
                manifest=manifest.model_copy(update={"version": number}),
            )
            for number in (1, 2)
        ]
        failed = VersionStatus(version=1, state=VersionState.FAILED, reason="no file")
        self.catalog = Catalog(
            settled=True,
            models={
                "echo": ModelStatus(name="echo", versions=tuple(versions)),
                "broken": ModelStatus(name="broken", versions=(failed,)),
            },
        )
        self.compute: Callable[[str, Tensors], Tensors] = lambda _, rows: rows
        self.held = False
        self.submitted: list[tuple[tuple[Any, ...], asyncio.Future[Answer]]] = []
        self.turns: list[Turn] = []
        self.arrived = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def submit(
        self,
        name: str,
        version: int | None,
        signature: str,
        rows: Tensors,
        deadline: float,
        request_id: str = "",
        turn: Turn = ANYBODY,
    ) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.turns.append(turn)
        self.submitted.append(((name, version, signature, rows, deadline), future))
        self.arrived.release()
        future.add_done_callback(
            lambda done: self.cancelled.release() if done.cancelled() else None
        )
        if time.monotonic() > deadline:
            future.set_exception(DeadlineExceeded("Its time was up."))
        elif not self.held:
            outputs = self.compute(signature, rows)
            future.set_result(Answer(outputs, 0.001, 0.002, len(rows[0]), version or 2))
        return future

    @property
    def last(self) -> tuple[Any, ...]:
        """Name, version, signature, rows and deadline of what came last."""
        return self.submitted[-1][0]


class Serving:
    """The server, its state and a channel to it; the loop is in a thread of its own."""

    def __init__(self, engine: FakeEngine, **settings: Any):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.engine = engine
        self.address = f"127.0.0.1:{port}"
        self.settings = Settings(grpc_port=port, **settings)
        self.lines: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.run(self._start())
        self.channel = self.connect()

    def connect(self) -> grpc.Channel:
        """A channel with a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.insecure_channel(self.address, options)

    async def _start(self) -> None:
        log: Any = self  # has the one method of a log that is called
        metrics = Metrics(CollectorRegistry())
        engine: Any = self.engine
        self.state = AppState(self.settings, engine, metrics, log)
        self.server = RpcServer(self.state)
        await self.server.start()

    def write(self, requests: Any) -> None:
        self.lines += requests

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def leave(self) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop)

    def log(self) -> list[dict[str, Any]]:
        """The lines of all requests so far."""

        async def flush() -> None:
            self.state.accounting.flush()

        self.run(flush())
        return self.lines

    def call(self, service: Any, method: str, request: Any, **options: Any) -> Any:
        """The answer of a method; `request` is its message, or bytes."""
        return self.rpc(service, method)(request, **options)

    def rpc(self, service: Any, method: str, channel: grpc.Channel = None) -> Any:
        """A method as something to call."""
        descriptor = service.methods_by_name[method]
        answer: Any = GetMessageClass(descriptor.output_type)
        channel = channel or self.channel
        streams = descriptor.client_streaming
        kind = channel.stream_stream if streams else channel.unary_unary
        return kind(
            f"/{service.full_name}/{method}",
            lambda each: each if isinstance(each, bytes) else each.SerializeToString(),
            answer.FromString,
        )

    def close(self) -> None:
        self.channel.close()
        for _, future in self.engine.submitted:
            self._loop.call_soon_threadsafe(future.cancel)
        self.leave().result(60)
        self.run(self._close_state())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close_state(self) -> None:
        self.state.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*rest, return_exceptions=True)


def make_engine(folder: Path) -> FakeEngine:
    """A fake with all signatures above."""
    manifest = read_manifest(write_version(folder, "echo", 1))
    update = {"signatures": SIGNATURES, "labels": ("no", "yes")}
    return FakeEngine(manifest.model_copy(update=update))


def refused(
    code: grpc.StatusCode, *parts: str, call: Callable[[], Any]
) -> grpc.RpcError:
    """The error of a call that ends with this code and these words."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    assert error.code() is code, error
    for part in parts:
        assert part in error.details()
    return error


def values_of(dtype: str) -> np.ndarray:
    """(3,), values that show whether bytes, signs and sizes are kept."""
    if dtype == "string":
        return np.array([b"", b"\x00\xff", "é".encode()], dtype=object)
    if dtype == "bool":
        return np.array([True, False, True])
    if dtype.startswith(("int", "uint")):
        limits = np.iinfo(dtype)
        return np.array([limits.min, 1, limits.max], dtype)
    return np.array([-1.5, 0, np.inf]).astype(dtype)
