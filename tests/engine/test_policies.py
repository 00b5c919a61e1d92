"""Policies in force: which versions serve, under which labels, and how they change."""

import asyncio
import logging
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from service.contract.policy import Canary, ModelPolicy
from service.engine.administration import Administration
from service.engine.canary import VersionChooser
from service.engine.catalog import Catalog, ModelStatus, VersionState, VersionStatus
from service.engine.commands import Command, ModelConfig, Outcome
from service.engine.disk import Scan, VersionFolder
from service.engine.engine import Engine
from service.engine.labels import describe, resolve
from service.engine.overrides import MOST_BYTES, ModelOverrides, Overrides
from service.engine.policies import PolicySource
from service.engine.statuses import Statuses
from service.errors import (
    DeadlineExceeded,
    InvalidInput,
    LabelNotFound,
    ModelNotFound,
    ModelNotReady,
    QueueFull,
    VersionNotFound,
)
from service.metrics import Metrics
from tests.engine.test_engine import engine_of, multiply, occupy, run, states
from tests.versions import until, write_version

READY, FAILED = VersionState.READY, VersionState.FAILED
DRAINING = VersionState.DRAINING


def write_policy(artifacts: Path, text: str, model: str = "times") -> None:
    """Another file in place of the last one, as an editor writes it."""
    draft = artifacts / ".models.toml"
    draft.write_text(f"[models.{model}]\n{text}\n")
    draft.replace(artifacts / "models.toml")


def publish(artifacts: Path, *versions: int, broken: int = 0) -> None:
    """Versions that multiply by their own number."""
    for each in versions:
        write_version(artifacts, "times", each, factor=each, broken=each == broken)


async def tell(engine: Engine, action: Any, **facts: Any) -> Outcome:
    command = Command(action=action, model="times", **facts)
    return await engine.command(command, time.monotonic() + 30)


async def configure(engine: Engine, **config: Any) -> Outcome:
    configs = {"times": ModelConfig(**config)}
    command = Command(action="configure", configs=configs)
    return await engine.command(command, time.monotonic() + 30)


def labels(engine: Engine) -> dict[str, int]:
    return engine.catalog.model("times").labels


def notes(engine: Engine) -> str:
    return "; ".join(engine.catalog.model("times").notes)


# Which versions.


@pytest.mark.parametrize(
    ("policy", "ready"),
    [
        ('versions = "all"', {1, 2, 3, 4}),
        ('versions = "latest"', {4}),
        ("versions = {latest = 3}", {2, 3, 4}),
        ("versions = [1, 3]", {1, 3}),
        ("labels = {stable = 2}", {2, 4}),
        ("versions = [1]\nlabels = {canary = 3}", {1, 3}),
        ("", {4}),
    ],
)
def test_the_versions_that_are_asked_for_are_in_memory(
    tmp_path: Path, policy: str, ready: set[int]
) -> None:
    publish(tmp_path, 1, 2, 3, 4)
    write_policy(tmp_path, policy)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            assert states(engine) == dict.fromkeys(ready, READY)

    run(test)


def test_another_policy_loads_and_retires(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2, 3)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            write_policy(tmp_path, "versions = [1, 2]")
            await engine.reconcile()
            await until(lambda: states(engine) == {1: READY, 2: READY})
            (tmp_path / "models.toml").unlink()
            await engine.reconcile()
            await until(lambda: states(engine) == {3: READY})

    run(test)


def test_what_serves_stays_until_one_that_is_asked_for_does(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2, broken=1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            write_policy(tmp_path, "versions = [1]")
            await engine.reconcile()
            assert states(engine) == {1: FAILED, 2: READY}
            assert await multiply(engine, 7) == 14

    run(test)


# Labels.


def status(version: int, state: VersionState = READY) -> VersionStatus:
    return VersionStatus(version=version, state=state)


@pytest.mark.parametrize(
    ("wanted", "before", "versions", "labels"),
    [
        pytest.param(4, None, {4: READY}, 4, id="ready"),
        pytest.param(4, None, {4: VersionState.LOADING}, None, id="never ready yet"),
        pytest.param(4, None, {}, None, id="never there"),
        pytest.param(4, 3, {3: READY, 4: VersionState.LOADING}, 3, id="still loading"),
        pytest.param(4, 3, {3: READY, 4: FAILED}, 3, id="failed"),
        pytest.param(4, 3, {3: READY, 4: READY}, 4, id="moves"),
        pytest.param(4, 4, {4: FAILED}, 4, id="its batcher died"),
        pytest.param(4, 3, {4: FAILED}, None, id="the old one is gone"),
    ],
)
def test_a_label_moves_only_to_a_version_that_is_ready(
    wanted: int,
    before: int | None,
    versions: dict[int, VersionState],
    labels: int | None,
) -> None:
    known = {version: status(version, state) for version, state in versions.items()}
    found = resolve({"x": wanted}, {"x": before} if before else {}, known)

    assert found == ({"x": labels} if labels else {})
    said = list(describe({"x": wanted}, found, known))
    assert bool(said) == (versions.get(wanted) is not READY)


def test_a_label_that_nobody_wants_any_more_is_gone() -> None:
    assert resolve({}, {"x": 3}, {3: status(3)}) == {}


def test_the_label_stable_answers_where_no_version_is_named(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2, 3)
    write_policy(tmp_path, "labels = {stable = 1, canary = 3}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            assert await multiply(engine, 7) == 7
            assert await multiply(engine, 7, version=3) == 21
            assert engine.catalog.find("times", None).version == 1
            assert engine.catalog.find("times", None, label="canary").version == 3
            with pytest.raises(LabelNotFound, match="no label 'x'; there are: canary"):
                engine.catalog.find("times", None, label="x")

    run(test)


def test_a_label_waits_for_its_version_and_the_old_one_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, 1, 2)
    write_policy(tmp_path, "labels = {stable = 1}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            publish(tmp_path, 3, broken=3)
            write_policy(tmp_path, "labels = {stable = 3}")
            for _ in range(3):
                await engine.reconcile()
            assert states(engine)[3] is FAILED
            assert labels(engine) == {"stable": 1}
            assert "stable waits for version 3, which is failed" in notes(engine)
            assert "it stays at 1" in notes(engine)
            assert await multiply(engine, 7) == 7
            (tmp_path / "times" / "3").rename(tmp_path / "times" / ".3")
            publish(tmp_path, 3)
            for _ in range(2):
                await engine.reconcile()
            assert labels(engine) == {"stable": 3}
            assert await multiply(engine, 7) == 21
            await until(lambda: states(engine) == {3: READY})

    run(test)
    assert len([r for r in caplog.records if "it stays at 1" in r.message]) <= 2


def test_a_label_of_what_never_comes_holds_nothing_up(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    write_policy(tmp_path, "labels = {stable = 9}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            assert engine.catalog.problems() == []
            assert "stable waits for version 9, which is not in memory" in notes(engine)
            assert await multiply(engine, 7) == 7

    run(test)


# Canary.


@given(share=st.floats(0, 1), before=st.integers(0, 1000))
def test_of_any_thousand_requests_the_canary_gets_its_share(
    share: float, before: int
) -> None:
    model = ModelStatus(
        name="times",
        versions=(status(1), status(2)),
        labels={"stable": 1, "canary": 2},
        policy=ModelPolicy(
            labels={"canary": 2}, canary=Canary(label="canary", share=share)
        ),
    )
    catalog, chooser = Catalog(models={"times": model}, settled=True), VersionChooser()
    for _ in range(before):
        chooser.find(catalog, "times")
    chosen = Counter(chooser.find(catalog, "times").version for _ in range(1000))

    assert abs(chosen[2] - 1000 * share) <= 1
    assert chooser.find(catalog, "times", 1).version == 1
    assert chooser.find(catalog, "times", label="canary").version == 2


def test_the_canary_computes_its_share(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)
    write_policy(
        tmp_path,
        'labels = {stable = 1, canary = 2}\ncanary = {label = "canary", share = 0.1}',
    )

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            answers = Counter([await multiply(engine, 1) for _ in range(200)])
            assert answers == {1: 180, 2: 20}
            assert await multiply(engine, 1, version=1) == 1
            await tell(engine, "unload")
            with pytest.raises(ModelNotReady):
                await multiply(engine, 1)

    run(test)


def test_a_canary_that_is_not_ready_gets_nothing(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2, broken=2)
    write_policy(
        tmp_path,
        'labels = {stable = 1, canary = 2}\ncanary = {label = "canary", share = 1}',
    )

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            assert await multiply(engine, 7) == 7

    run(test)


# The file.


@pytest.mark.parametrize("broken", ["versions = 'some'", "versions = [", "what = 1"])
def test_a_broken_file_leaves_the_last_one_in_force(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, 1, 2)
    write_policy(tmp_path, "labels = {stable = 1}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            write_policy(tmp_path, broken)
            for _ in range(3):
                await engine.reconcile()
            problem = engine.catalog.policy_problem
            assert problem
            assert "models.toml" in problem
            assert engine.catalog.problems() == []
            assert await multiply(engine, 7) == 7
            with pytest.raises(InvalidInput, match=r"models\.toml"):
                await tell(engine, "reload")
            write_policy(tmp_path, "labels = {stable = 2}")
            await engine.reconcile()
            assert engine.catalog.policy_problem is None
            assert await multiply(engine, 7) == 14

    run(test)
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 2  # one for the look, one for the reload


def test_a_broken_file_at_the_start_leaves_the_settings(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    write_policy(tmp_path, "what = 1")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            assert await multiply(engine, 7) == 7
            assert "expected a known key" in (engine.catalog.policy_problem or "")

    run(test)


def test_a_model_that_is_not_there_is_named_and_the_others_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish(tmp_path, 1, 2)
    (tmp_path / "models.toml").write_text(
        "[models.tmies]\n[models.times]\nlabels = {stable = 1}"
    )

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            await engine.reconcile()
            said = "expected models that are there (times), received 'tmies'"
            assert said in (engine.catalog.policy_problem or "")
            assert await multiply(engine, 7) == 7

    run(test)
    assert len([each for each in caplog.records if "tmies" in each.message]) == 1


def test_a_disk_that_vanishes_takes_no_policy_away(tmp_path: Path) -> None:
    artifacts = tmp_path / "artifacts"
    publish(artifacts, 1, 2)
    write_policy(artifacts, "labels = {stable = 1}")

    async def test() -> None:
        async with engine_of(artifacts) as (engine, _):
            artifacts.rename(tmp_path / "away")
            await engine.reconcile()
            artifacts.mkdir()
            await engine.reconcile()
            assert await multiply(engine, 7) == 7

    run(test)


# What counts when a version is loaded.


def test_limits_of_a_model_are_its_own(tmp_path: Path) -> None:
    publish(tmp_path, 1)
    write_policy(tmp_path, "batch_sizes = [1, 2]\nmax_queue_rows = 3")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            contract = engine.catalog.find("times", 1).contract
            assert contract is not None
            assert contract.batch_sizes == (1, 2)
            loader.loaded["times", 1].free.clear()
            rows, far = (np.zeros(2, np.int64),), time.monotonic() + 30
            waiting = []
            with pytest.raises(QueueFull, match="at most 3 may"):
                for _ in range(9):
                    waiting.append(
                        engine.submit("times", None, "serving_default", rows, far)
                    )
                    await asyncio.sleep(0)
            loader.loaded["times", 1].free.set()
            await asyncio.gather(*waiting)

    run(test)


def test_what_counts_at_loading_loads_anew_and_fails_no_request(tmp_path: Path) -> None:
    publish(tmp_path, 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            old = loader.loaded["times", 1]
            (under_way,) = await occupy(engine, old, 7)
            write_policy(tmp_path, 'batch_sizes = [1]\nprecision = "bfloat16"')
            await engine.reconcile()
            assert loader.loaded["times", 1] is not old
            assert loader.precisions == [None, "bfloat16"]
            assert states(engine) == {1: READY}
            assert await multiply(engine, 7) == 7
            old.free.set()
            assert await under_way == 7
            write_policy(tmp_path, 'batch_sizes = [1]\nprecision = "bfloat16"\n'
                                   "timeout_ms = 5\nlabels = {stable = 1}")  # fmt: skip
            new = loader.loaded["times", 1]
            await engine.reconcile()
            assert loader.loaded["times", 1] is new

    run(test)


def test_a_version_that_does_not_load_anew_goes_on_as_it_was(tmp_path: Path) -> None:
    publish(tmp_path, 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            loader.fails = True
            write_policy(tmp_path, "batch_sizes = [1]")
            for _ in range(2):
                await engine.reconcile()
            assert states(engine) == {1: READY}
            assert await multiply(engine, 7) == 7
            assert len(loader.precisions) == 2  # tried once, not at every look

    run(test)


def test_a_version_that_failed_is_tried_with_another_policy(tmp_path: Path) -> None:
    publish(tmp_path, 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            loader.fails = True
            publish(tmp_path, 2)
            for _ in range(2):
                await engine.reconcile()
            assert states(engine) == {1: READY, 2: FAILED}
            loader.fails = False
            write_policy(tmp_path, 'allow_operations = ["ReadFile"]')
            await engine.reconcile()
            assert await multiply(engine, 7) == 14

    run(test)


# Commands.


def test_an_operator_moves_a_label_to_a_version_that_is_loaded_for_it(
    tmp_path: Path,
) -> None:
    publish(tmp_path, 1, 2, 3, broken=2)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            outcome = await tell(engine, "label", label="stable", version=1)
            assert (outcome.default_version, outcome.labels) == (1, {"stable": 1})
            assert await multiply(engine, 7) == 7
            with pytest.raises(ModelNotReady, match="has not moved: times: version 2"):
                await tell(engine, "label", label="stable", version=2)
            with pytest.raises(VersionNotFound, match="there are: 1, 2, 3"):
                await tell(engine, "label", label="stable", version=9)
            with pytest.raises(InvalidInput, match="expected letters"):
                await tell(engine, "label", label="a b", version=1)
            assert labels(engine) == {"stable": 1}
            await tell(engine, "label", label="stable")
            assert await multiply(engine, 7) == 21
            with pytest.raises(InvalidInput, match="expected one of"):
                await tell(engine, "label", label="stable")

    run(test)


def test_a_rollback_goes_to_the_version_below_and_stays_there(tmp_path: Path) -> None:
    publish(tmp_path, 1, 3)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):  # holds the newest only
            assert (await tell(engine, "rollback")).default_version == 1
            publish(tmp_path, 4)
            for _ in range(2):
                await engine.reconcile()
            assert states(engine)[4] is READY
            assert await multiply(engine, 7) == 7
            with pytest.raises(InvalidInput, match="no version below"):
                await tell(engine, "rollback")

    run(test)


def test_what_is_unloaded_stays_unloaded_until_it_is_loaded(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)

    async def test() -> None:
        async with engine_of(tmp_path, versions_kept=2) as (engine, _):
            await tell(engine, "unload", version=2)
            await until(lambda: states(engine) == {1: READY})
            await engine.reconcile()
            assert states(engine) == {1: READY}
            assert "unloaded: version 2" in notes(engine)
            await tell(engine, "unload", version=2)  # which it is already
            assert states(engine) == {1: READY}
            with pytest.raises(VersionNotFound, match="there are: 1, 2"):
                await tell(engine, "unload", version=3)
            await tell(engine, "unload")
            await until(lambda: states(engine) == {})
            await engine.reconcile()
            await tell(engine, "unload")
            with pytest.raises(ModelNotReady, match="was unloaded"):
                engine.catalog.find("times", None)
            await tell(engine, "load", version=2)
            assert states(engine) == {2: READY}
            outcome = await tell(engine, "load")
            assert [each.version for each in outcome.versions] == [1, 2]

    run(test)


def test_what_is_loaded_while_it_drains_is_loaded_when_it_is_gone(
    tmp_path: Path,
) -> None:
    publish(tmp_path, 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            old = loader.loaded["times", 1]
            (waiting,) = await occupy(engine, old, 7)
            await tell(engine, "unload")
            await asyncio.sleep(0.1)  # past being taken back
            assert states(engine) == {1: DRAINING}
            loading = asyncio.create_task(tell(engine, "load"))
            await asyncio.sleep(0.1)
            assert not loading.done()
            old.free.set()
            assert await waiting == 7
            assert (await loading).default_version == 1
            assert loader.loaded["times", 1] is not old
            assert await multiply(engine, 7) == 7

    run(test)


def test_a_version_that_is_leaving_is_taken_back_at_once(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)
    write_policy(tmp_path, "labels = {stable = 1}")

    async def test() -> None:
        async with engine_of(tmp_path, retire_delay_s=3600) as (engine, loader):
            old = loader.loaded["times", 1]
            await tell(engine, "label", label="stable", version=2)
            await engine.reconcile()
            assert states(engine) == {1: DRAINING, 2: READY}
            await tell(engine, "rollback")
            assert states(engine) == {1: READY, 2: READY}
            assert loader.loaded["times", 1] is old
            assert await multiply(engine, 7) == 7
            await tell(engine, "unload")
            assert states(engine) == {1: DRAINING, 2: DRAINING}
            await tell(engine, "load")
            assert states(engine) == {1: READY, 2: READY}

    run(test)


def test_a_version_with_a_label_is_not_unloaded_alone(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)
    write_policy(tmp_path, "labels = {stable = 1}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            with pytest.raises(InvalidInput, match="has the label stable"):
                await tell(engine, "unload", version=1)

    run(test)


def test_a_load_tries_again_what_failed_and_says_why_it_failed_again(
    tmp_path: Path,
) -> None:
    publish(tmp_path, 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, loader):
            publish(tmp_path, 2)
            loader.fails = True
            with pytest.raises(ModelNotReady, match=r"version 2 is failed \(no room"):
                await tell(engine, "load", version=2)
            loader.fails = False
            assert (await tell(engine, "load", version=2)).default_version == 2
            with pytest.raises(VersionNotFound):
                await tell(engine, "load", version=3)
            command = Command(action="load", model="tmies")
            with pytest.raises(ModelNotFound, match="there are: times"):
                await engine.command(command, time.monotonic() + 30)

    run(test)


def test_what_takes_too_long_is_done_all_the_same(tmp_path: Path) -> None:
    publish(tmp_path, 1)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            publish(tmp_path, 2)
            command = Command(action="load", model="times", version=2)
            with pytest.raises(DeadlineExceeded, match="it goes on"):
                await engine.command(command, time.monotonic())
            await until(lambda: states(engine).get(2) is READY)

    run(test)


def test_versions_and_labels_are_configured_together(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2, 3)
    write_policy(tmp_path, "labels = {old = 1}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            await configure(engine, versions=(1, 2), labels={"stable": 2})
            assert labels(engine) == {"stable": 2}
            await until(lambda: states(engine) == {1: READY, 2: READY})

    run(test)


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        ({"versions": (1, 9)}, VersionNotFound, "no version 9"),
        ({"versions": (1, 3)}, ModelNotReady, "version 3 is failed"),
        ({"versions": (1,), "labels": {"new": 3}}, ModelNotReady, "3 is failed"),
    ],
)
def test_what_cannot_be_configured_changes_nothing(
    tmp_path: Path, config: dict[str, Any], error: type[Exception], words: str
) -> None:
    publish(tmp_path, 1, 2, 3, broken=3)
    write_policy(tmp_path, "labels = {old = 2}")

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            before = states(engine)
            with pytest.raises(error, match=words):
                await configure(engine, **config)
            await until(lambda: states(engine) == before)
            assert labels(engine) == {"old": 2}
            assert await multiply(engine, 7) == 14

    run(test)


def test_models_are_configured_together_or_not_at_all(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            names = ("times", "nobody")
            configs = {name: ModelConfig(versions=(1,)) for name in names}
            command = Command(action="configure", configs=configs)
            with pytest.raises(ModelNotFound, match="nobody"):
                await engine.command(command, time.monotonic() + 30)
            assert states(engine) == {2: READY}

    run(test)


def test_what_was_unloaded_is_configured_back(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            await configure(engine, versions=(1, 2))
            await tell(engine, "unload", version=1)
            await configure(engine, versions=(1,))
            assert await multiply(engine, 7) == 7
            await tell(engine, "unload")
            await configure(engine, versions=(2,))
            assert await multiply(engine, 7) == 14

    run(test)


def test_the_canarys_label_can_be_removed(tmp_path: Path) -> None:
    publish(tmp_path, 1, 2)
    write_policy(
        tmp_path,
        'labels = {stable = 1, canary = 2}\ncanary = {label = "canary", share = 0.5}',
    )

    async def test() -> None:
        async with engine_of(tmp_path) as (engine, _):
            await tell(engine, "label", label="canary")
            assert labels(engine) == {"stable": 1}
            assert {await multiply(engine, 1) for _ in range(10)} == {1}
            publish(tmp_path, 3)  # and what comes later is seen
            await tell(engine, "load", version=3)
            assert states(engine)[3] is READY
            await tell(engine, "label", label="canary", version=3)
            assert {await multiply(engine, 1) for _ in range(10)} == {1, 3}

    run(test)


def test_what_was_said_outlives_the_engine_until_the_file_says_otherwise(
    tmp_path: Path,
) -> None:
    file = os.memfd_create("overrides")
    write_policy(tmp_path, "labels = {stable = 1}")
    first = PolicySource(tmp_path, 2, Overrides(file))
    first.look()
    said = first.overrides.of("times")
    override = {"version": 2, "instead_of": 1}
    first.overrides.put(
        "times", type(said).model_validate({"labels": {"stable": override}})
    )

    second = PolicySource(tmp_path, 2, Overrides(file))
    second.look()
    os.close(file)

    assert second.of("times").labels == {"stable": 2}
    write_policy(tmp_path, "labels = {stable = 3}")
    second.look()
    assert second.of("times").labels == {"stable": 3}


def test_commands_that_are_too_many_hold_and_do_not_outlive_the_engine(
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = os.memfd_create("overrides")
    overrides = Overrides(file)
    overrides.put("times", ModelOverrides(unloaded=True))
    many = ModelOverrides(loaded=set(range(10**9, 10**9 + MOST_BYTES // 10)))
    overrides.put("more", many)

    assert "too many" in caplog.text
    assert overrides.of("more") == many
    again = Overrides(file)
    os.close(file)
    assert again.unloaded() == ["times"]
    assert again.of("more") == ModelOverrides()


def test_a_load_is_tried_again_once_what_was_draining_is_gone(tmp_path: Path) -> None:
    policies = PolicySource(tmp_path, 1, Overrides(None))
    statuses = Statuses(Metrics(CollectorRegistry()), policies)
    scan = Scan(versions={"times": {1: VersionFolder(tmp_path, "as", "it lies")}})
    looks: list[dict[int, VersionState]] = []

    async def reconcile() -> Scan:
        """The first look finds it draining, the second ends without it."""
        if len(looks) == 0:
            statuses.set(("times", 1), DRAINING, fingerprint="as")
        elif len(looks) == 1:
            statuses.remove(("times", 1))
        else:
            statuses.set(("times", 1), READY, fingerprint="as")
        looks.append({key[1]: each.state for key, each in statuses.known().items()})
        return scan

    administration = Administration(policies, statuses, reconcile)
    command = Command(action="load", model="times")
    assert asyncio.run(administration.carry_out(command)).default_version == 1
    assert looks == [{1: DRAINING}, {}, {1: READY}]
