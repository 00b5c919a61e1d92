"""Versions on disk and a loader for them, without TensorFlow."""

import asyncio
import json
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from service.contract.contract import Contract
from service.contract.integrity import hash_files
from service.contract.manifest import FILENAME, Manifest, Training
from service.contract.policy import ModelPolicy, WantedPrecision
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import Tensors
from service.engine.compute.runtime import Loaded

DOUBLE = Signature(
    inputs=(TensorSpec(name="numbers", dtype="int64", shape=(None,)),),
    outputs=(TensorSpec(name="doubled", dtype="int64", shape=(None,)),),
)


SHIPPED = Path(__file__).parents[1] / "artifacts"


def publish_shipped(artifacts: Path, name: str, version: int) -> Path:
    """Put the first version of a shipped model there under another number."""
    home = artifacts / name
    draft = home / f".{version}"
    shutil.copytree(SHIPPED / name / "1", draft)
    manifest = json.loads((draft / FILENAME).read_text())
    (draft / FILENAME).write_text(json.dumps(manifest | {"version": version}))
    return draft.rename(home / str(version))


def write_version(
    artifacts: Path, name: str, version: int, *, factor: int = 2, broken: bool = False
) -> Path:
    """A version of a model that multiplies by `factor`; if broken, it does not load."""
    folder = artifacts / name / str(version)
    folder.mkdir(parents=True)
    (folder / "factor").write_text("not a number" if broken else str(factor))
    manifest = Manifest(
        name=name,
        version=version,
        task="arithmetic",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        description="Multiplies.",
        intended_use="Tests.",
        limits="None known.",
        signatures={"serving_default": DOUBLE},
        labels=(),
        batch_sizes=(1, 2, 4, 8),
        training=Training(
            data=(),
            seed=0,
            epochs=0,
            seconds=0,
            hardware="none",
            versions={},
            git_commit="0",
            hyperparameters={},
        ),
        metrics={},
        files=hash_files(folder),
    )
    (folder / FILENAME).write_text(manifest.model_dump_json())
    return folder


def write_deadly(artifacts: Path, name: str, version: int, when: str, how: str) -> Path:
    """A version that kills its process; see `tests.engine.deadly`."""
    folder = write_version(artifacts, name, version, factor=5)
    (folder / "deadly").write_text(json.dumps({"when": when, "how": how}))
    manifest = json.loads((folder / FILENAME).read_text())
    (folder / FILENAME).unlink()
    manifest["files"] = hash_files(folder)
    (folder / FILENAME).write_text(json.dumps(manifest))
    return folder


class Multiplier:
    """What `MultiplierLoader` loads. Blocks in `run` while `free` is not set."""

    in_process = alive = True
    bfloat16 = divided = ()

    def __init__(self, factor: int, contract: Contract):
        self.factor, self.contract = factor, contract
        self.free = threading.Event()
        self.free.set()
        self.began = threading.Event()
        self.running = 0
        self._lock = threading.Lock()

    def run(self, signature: str, rows: Tensors) -> Tensors:
        with self._lock:
            self.running += 1
        self.began.set()
        try:
            if not self.free.wait(30):
                raise TimeoutError
        finally:
            with self._lock:
                self.running -= 1
        return (np.asarray(rows[0] * self.factor),)

    def warm(self) -> float:
        return 0.0


class MultiplierLoader:
    """Loads versions that `write_version` wrote, and remembers them."""

    def __init__(self) -> None:
        self.loaded: dict[tuple[str, int], Multiplier] = {}
        self.held: dict[str, threading.Event] = {}  # models whose loading waits
        self.precisions: list[WantedPrecision | None] = []  # that were asked for
        self.fails = False
        self.slow: set[str] = set()  # models that wait for another process
        self.expecting = self.released = 0

    def is_quick(self, folder: Path, contract: Contract, policy: ModelPolicy) -> bool:
        return contract.name not in self.slow

    def expect_others(self) -> None:
        self.expecting += 1

    def release(self) -> None:
        self.released += 1

    def recheck(self, unchanged: object) -> list[tuple[str, int]]:
        return []

    def load(self, folder: Path, contract: Contract, policy: ModelPolicy) -> Loaded:
        if contract.name in self.held and not self.held[contract.name].wait(30):
            raise TimeoutError
        self.precisions.append(policy.precision)
        if self.fails:
            raise MemoryError("no room")
        model = Multiplier(int((folder / "factor").read_text()), contract)
        self.loaded[contract.name, contract.version] = model
        return Loaded(model)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another task or process is about to do."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what we wait for has no event
            await asyncio.sleep(0.005)
