"""What a retired version held is given back."""

import asyncio
import gc
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from prometheus_client import CollectorRegistry

from service.contract.compilation import Precision
from service.contract.contract import Contract
from service.contract.manifest import (
    Manifest,
    Training,
    read_manifest,
    write_manifest,
)
from service.contract.signature import TensorSpec
from service.engine.catalog import VersionState
from service.engine.compute.choice import make_chooser
from service.engine.compute.tensorflow_runtime import (
    TensorFlowModel,
    TensorFlowRuntime,
)
from service.engine.engine import Engine
from service.metrics import Metrics
from service.settings import Settings
from tests.versions import until
from training.core.export import Card, Function, export_version

WARM_UP, CYCLES = 10, 50
WEIGHTS = 500_000  # 2 MB a version: what is not given back is seen
MOST_GROWTH_BYTES = 30_000_000  # a version kept in every third cycle would be more


class InProcess(TensorFlowRuntime):
    """TensorFlow in this process, in the place of one that has it in another."""

    def load(
        self,
        folder: Path,
        contract: Contract | Manifest,
        precision: Precision | None = None,
        graphs: Path | None = None,
    ) -> TensorFlowModel:
        assert graphs is None  # there is no cache
        return super().load(folder, contract, precision)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def write_tiny(artifacts: Path) -> Path:
    weights = tf.Variable(np.ones(WEIGHTS, np.float32))

    def call(number: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": number + tf.reduce_sum(weights)}

    spec = TensorSpec(name="number", dtype="float32", shape=(None,))
    function = Function(call, (spec,), {"number": np.zeros(3, np.float32)})
    training = Training(
        data=(),
        seed=0,
        epochs=0,
        seconds=0,
        hardware="none",
        versions={},
        git_commit="0",
        hyperparameters={},
    )
    card = Card(
        name="tiny",
        task="arithmetic",
        description="Adds.",
        intended_use="Tests.",
        limits="None known.",
        labels=(),
        batch_sizes=(1, 2),
        training=training,
        metrics={},
    )
    return export_version(card, {"serving_default": function}, artifacts)


@pytest.mark.slow
def test_fifty_versions_that_come_and_go_leave_nothing_behind(tmp_path: Path) -> None:
    drafts = [write_tiny(tmp_path / "drafts")]

    async def cycle(engine: Engine, home: Path, version: int) -> None:
        folder = home / str(version)
        shutil.copytree(drafts[0], folder)
        known = read_manifest(folder).model_copy(update={"version": version})
        write_manifest(folder, known)
        await engine.reconcile()
        await engine.reconcile()
        states = engine.catalog.model("tiny").versions
        assert states[-1].version == version
        assert states[-1].state is VersionState.READY, states[-1].reason
        await until(lambda: len(engine.catalog.model("tiny").versions) == 1)
        if version > 1:
            shutil.rmtree(home / str(version - 1))

    async def test() -> int:
        home = tmp_path / "artifacts" / "tiny"
        settings = Settings(
            artifacts=tmp_path / "artifacts",
            versions_kept=1,
            retire_delay_s=0,
            poll_seconds=3600,
        )
        runtime = InProcess("cpu", 1)
        engine = Engine(
            settings,
            Metrics(CollectorRegistry()),
            lambda: make_chooser(
                Settings(device="cpu", runtime="tensorflow", cache=None), runtime
            ),
        )
        await engine.start()
        for version in range(1, WARM_UP + 1):
            await cycle(engine, home, version)
        before = resident_bytes()
        for version in range(WARM_UP + 1, WARM_UP + CYCLES + 1):
            await cycle(engine, home, version)
        grown = resident_bytes() - before
        await engine.stop()
        return grown

    grown = asyncio.run(test())
    gc.unfreeze()
    assert grown < MOST_GROWTH_BYTES, f"{grown / 1e6:.1f} MB in {CYCLES} cycles"
