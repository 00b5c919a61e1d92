"""Who is measured: servers, how each is started, and the addresses that are loaded.

One more server to compare with is one more `Server` and its `Target`s here.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

CONNECTIONS = (1, 8, 32, 128)
RAW_CONNECTIONS = (32,)

SERVERY = "Servery"
RAW = "Servery, raw `image/png`"


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves the model, and how a user would start it.

    Attributes:
        name: In every table.
        command: `{port}` stands for the TCP port.
        health: A path that answers 200 when it serves.
        workers: So often its log says `STARTED`, where it is uvicorn's own; else 0.
        environment: Beside what is there.
        metrics: A path with the rows and the number of its batches, if it tells.
    """

    name: str
    command: tuple[str, ...]
    health: str
    workers: int = 0
    environment: dict[str, str] = field(default_factory=dict)
    metrics: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one server.

    Attributes:
        name: In every table.
        server: The name of its server.
        path: Where predictions are.
        media_type: Of the body: JSON with base64, or the picture itself.
        connections: The loads, as connections kept busy.
        model: What it is asked for: digits, photo or sentiment.
        wrap: A JSON body as Servery takes it to the body that this server takes.
        unwrap: This server's answer to JSON with `predictions`: of digits `digit`, of
            photo `classes` (their numbers, best first), of sentiment `probability`.
    """

    name: str
    server: str
    path: str
    media_type: str = "application/json"
    connections: tuple[int, ...] = CONNECTIONS
    model: str = "digits"
    wrap: Callable[[bytes], bytes] = bytes
    unwrap: Callable[[bytes], bytes] = bytes


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def servery(artifacts: Path) -> tuple[Server, list[Target]]:
    """The service as `servery serve` starts it, access log and all."""
    program = str(Path(sys.executable).with_name("servery"))
    path = "/v1/predict/digits"
    server = Server(
        name=SERVERY,
        command=(program, "serve", "--port", "{port}", "--artifacts", str(artifacts)),
        health="/readyz",
        metrics="/metrics",
    )
    targets = [
        Target(SERVERY, SERVERY, path),
        Target(RAW, SERVERY, path, "image/png", RAW_CONNECTIONS),
    ]
    return server, targets


def plain(folder: Path, *, workers: int) -> tuple[Server, list[Target]]:
    """Plain FastAPI that uses every core: by TensorFlow's threads, or by its workers.

    Args:
        folder: The version of the model.
        workers: uvicorn's; TensorFlow's threads in each are the cores among them.
    """
    threads = max(1, cores() // workers)
    name = f"plain, {workers} worker{'s' if workers > 1 else ''}"
    server = Server(
        name=name,
        command=(
            *(sys.executable, "-m", "uvicorn", "benchmarks.plain:create_app"),
            *("--factory", "--port", "{port}", "--workers", str(workers)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        ),
        health="/openapi.json",
        workers=workers,
        environment={"MODEL": str(folder), "TENSORFLOW_THREADS": str(threads)},
    )
    return server, [
        Target(f"{name}, `def`", name, "/def"),
        Target(f"{name}, `async def`", name, "/async"),
    ]
