"""Who is measured: servers, how each is started, and the addresses that are loaded.

One more server to compare with is one more `Server` and its `Target`s here.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from service.contract.manifest import read_manifest

CONNECTIONS = (1, 8, 32, 128)
RAW_CONNECTIONS = (32,)
LOADS = {"digits": CONNECTIONS, "photo": (1, 8), "sentiment": (1, 32)}
"""By model, the connections of which a target's are measured."""

SERVERY = "Servery"
RAW = "Servery, raw `image/png`"
PLAIN = "plain FastAPI"
WITHOUT_MODEL = "HTTP without a model"


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


Subject = tuple[Server, list[Target]]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def loads(target: Target) -> tuple[int, ...]:
    """The connections at which it is measured."""
    return tuple(each for each in target.connections if each in LOADS[target.model])


def servery(artifacts: Path, models: Mapping[str, Path] | None = None) -> Subject:
    """The service as `servery serve` starts it, access log and all.

    Args:
        artifacts: What it serves.
        models: The versions that are asked, by name; digits if none.
    """
    program = str(Path(sys.executable).with_name("servery"))
    server = Server(
        name=SERVERY,
        command=(program, "serve", "--port", "{port}", "--artifacts", str(artifacts)),
        health="/readyz",
        metrics="/metrics",
    )
    path = "/v1/predict/digits"
    targets = [
        Target(SERVERY, SERVERY, path),
        Target(RAW, SERVERY, path, "image/png", RAW_CONNECTIONS),
    ]
    for model, folder in (models or {}).items():
        if model != "digits":
            targets.append(_other(model, folder))
    return server, targets


def _other(model: str, folder: Path) -> Target:
    unwrap = partial(_number_classes, folder) if model == "photo" else bytes
    return Target(
        *(f"{SERVERY}, {model}", SERVERY, f"/v1/predict/{model}"),
        model=model,
        unwrap=unwrap,
    )


def _number_classes(folder: Path, answer: bytes) -> bytes:
    """Servery names the classes of photo; peers give their numbers."""
    wnids: list[str] = read_manifest(folder).constants["wnids"]
    predictions = json.loads(answer)["predictions"]
    numbered = [
        {"classes": [wnids.index(one["wnid"]) for one in each["classes"]]}
        for each in predictions
    ]
    return json.dumps({"predictions": numbered}).encode()


def plain(models: Mapping[str, Path], *, workers: int) -> Subject:
    """Plain FastAPI that uses every core: by TensorFlow's threads, or by its workers.

    Args:
        models: The versions to serve, by name; digits among them.
        workers: uvicorn's; TensorFlow's threads in each are the cores among them.
    """
    threads = max(1, cores() // workers)
    name = f"{PLAIN}, {workers} worker{'s' if workers > 1 else ''}"
    folders = {model: str(folder) for model, folder in models.items()}
    server = Server(
        name=name,
        command=(
            *(sys.executable, "-m", "uvicorn", "benchmarks.plain:create_app"),
            *("--factory", "--port", "{port}", "--workers", str(workers)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        ),
        health="/openapi.json",
        workers=workers,
        environment={
            "MODELS": json.dumps(folders),
            "TENSORFLOW_THREADS": str(threads),
        },
    )
    others = [
        Target(f"{name}, {model}", name, f"/{model}", model=model)
        for model in models
        if model != "digits"
    ]
    return server, [
        Target(f"{name}, `def`", name, "/def"),
        Target(f"{name}, `async def`", name, "/async"),
        *others,
    ]


def without_model(folder: Path) -> Subject:
    """Servery's HTTP layer alone, in one process; see `benchmarks.without_model`."""
    server = Server(
        name=WITHOUT_MODEL,
        command=(
            *(sys.executable, "-m", "benchmarks.without_model"),
            *("--port", "{port}", str(folder)),
        ),
        health="/readyz",
    )
    path = "/v1/predict/digits"
    return server, [Target(WITHOUT_MODEL, WITHOUT_MODEL, path, connections=(32,))]
