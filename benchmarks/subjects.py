"""Who is measured: servers, how each is started, and the addresses that are loaded.

One more server to compare with is one more `Server` and its `Target`s here.
"""

import json
import os
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from service.contract.manifest import read_manifest
from service.engine.disk import find_versions

ROOT = Path(__file__).parent.parent
ARTIFACTS, DOCS = ROOT / "artifacts", ROOT / "docs"
LOADS = {"digits": (1, 8, 32, 128), "photo": (1, 8), "sentiment": (1, 32)}
"""By model, the connections that are kept busy."""

SERVERY = "Servery"
BFLOAT16 = "Servery in bfloat16"
RAW = "Servery, raw `image/png`"
PLAIN = "plain FastAPI"
WITHOUT_MODEL = "HTTP without a model"
BARE = "bare model"
FLOAT32 = {"SERVERY_PRECISION": "float32"}  # as the others compute
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Server:
    """A program that serves the model, and how a user would start it."""

    name: str  # in every table
    command: tuple[str, ...]  # `{port}` stands for the TCP port
    health: str  # a path that answers 200 when it serves
    # so often its log says `STARTED`, where it is uvicorn's own; else 0
    workers: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)  # beside what is there
    tls: ssl.SSLContext | None = None  # what its callers need, where it speaks TLS


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one server."""

    name: str  # in every table; what stands before a comma is the server's kind
    path: str  # where predictions are
    media_type: str = JSON  # of the body: JSON with base64, or the picture itself
    model: str = "digits"  # what it is asked for: digits, photo or sentiment
    connections: tuple[int, ...] = ()  # the loads, where they are not the model's
    # the connections at which Servery is measured next to it, if not the same
    beside: int | None = None
    # a JSON body as Servery takes it to the body that this server takes
    wrap: Callable[[bytes], bytes] = bytes
    # this server's answer to JSON with `predictions`: of digits `digit`, of photo
    # `classes` (their numbers, best first), of sentiment `probability`
    unwrap: Callable[[bytes], bytes] = bytes

    def loads(self) -> tuple[int, ...]:
        """The connections at which it is measured."""
        return self.connections or LOADS[self.model]


Subject = tuple[Server, list[Target]]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def find_models(artifacts: Path, names: tuple[str, ...]) -> dict[str, Path]:
    """The versions that Servery answers with, of those models that are there."""
    found = find_versions(artifacts)
    return {
        name: artifacts / name / str(max(found[name]))
        for name in names
        if found.get(name)
    }


def servery(
    artifacts: Path,
    models: Mapping[str, Path] | None = None,
    *,
    name: str = SERVERY,
    environment: Mapping[str, str] | None = None,
) -> Subject:
    """The service as `servery serve` starts it, access log and all."""
    program = str(Path(sys.executable).with_name("servery"))
    command = (program, "serve", "--port", "{port}", "--artifacts", str(artifacts))
    server = Server(name, command, "/readyz", environment=environment or {})
    targets = [Target(name, "/v1/predict/digits")]
    for model, folder in (models or {}).items():
        if model != "digits":
            unwrap = partial(_number_classes, folder) if model == "photo" else bytes
            path = f"/v1/predict/{model}"
            targets.append(Target(f"{name}, {model}", path, model=model, unwrap=unwrap))
    return server, targets


def raw() -> Target:
    """Servery again, which gets pictures as they are."""
    return Target(RAW, "/v1/predict/digits", "image/png", connections=(32,))


def plain(models: Mapping[str, Path], *, workers: int) -> Subject:
    """Plain FastAPI that uses every core: TensorFlow's threads, or its workers."""
    name = f"{PLAIN}, {count_workers(workers)}"
    server = Server(
        name=name,
        command=(
            *(sys.executable, "-m", "uvicorn", "benchmarks.plain:create_app"),
            *("--factory", "--port", "{port}", "--workers", str(workers)),
            *("--loop", "uvloop", "--http", "httptools", "--no-access-log"),
        ),
        health="/openapi.json",
        workers=workers,
        environment=tell_setting(models, workers, cores()),
    )
    others = [
        Target(f"{name}, {model}", f"/{model}", model=model)
        for model in models
        if model != "digits"
    ]
    digits = [
        Target(f"{name}, `def`", "/def"),
        Target(f"{name}, `async def`", "/async"),
    ]
    return server, [*digits, *others]


def tell_setting(
    models: Mapping[str, Path], workers: int, cores: int
) -> dict[str, str]:
    """The environment in which `benchmarks.peers.rows.read_setting` finds it."""
    folders = {model: str(folder.resolve()) for model, folder in models.items()}
    return {
        "PEER_MODELS": json.dumps(folders),
        "PEER_WORKERS": str(workers),
        "PEER_THREADS": str(max(1, cores // workers)),
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def count_workers(workers: int) -> str:
    """`1 worker`, `2 workers`."""
    return f"{workers} worker{'s' if workers > 1 else ''}"


def without_model(folder: Path) -> Subject:
    """Servery's HTTP layer alone, in one process; see `benchmarks.without_model`."""
    module = (sys.executable, "-m", "benchmarks.without_model")
    server = Server(
        WITHOUT_MODEL, (*module, "--port", "{port}", str(folder)), "/readyz"
    )
    return server, [Target(WITHOUT_MODEL, "/v1/predict/digits", connections=(32,))]


def _number_classes(folder: Path, answer: bytes) -> bytes:
    """Servery names the classes of photo; peers give their numbers."""
    wnids: list[str] = read_manifest(folder).constants["wnids"]
    predictions = json.loads(answer)["predictions"]
    numbered = [
        {"classes": [wnids.index(one["wnid"]) for one in each["classes"]]}
        for each in predictions
    ]
    return json.dumps({"predictions": numbered}).encode()
