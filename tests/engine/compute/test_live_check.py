"""What was right at the start is checked again on what people send."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.policy import ModelPolicy
from service.engine.compute import choice
from service.engine.compute.live_check import APART_S, WatchedModel
from tests.engine.compute.test_choice import (
    POLICY,
    Doubling,
    Runtimes,
    chooser,
    chosen,
    contract,
)

KEY = ("times", 1)
ROWS = (np.array([[1, 2, 3]], np.float32),)


def ask(model: Any, times: int) -> None:
    for _ in range(times):
        model.run("serving_default", ROWS)


def test_one_in_so_many_batches_is_kept_and_one_an_hour() -> None:
    now = [0.0]
    model = WatchedModel(Doubling(contract()), 3, lambda: now[0])
    ask(model, 2)
    assert model.take() is None
    ask(model, 1)
    kept = model.take()
    assert kept is not None
    assert kept.inputs[0] is not ROWS[0]
    assert kept.outputs[0].tolist() == [[2, 4, 6]]
    ask(model, 30)
    assert model.take() is None
    now[0] = APART_S
    ask(model, 3)
    assert model.take() is not None


def test_a_share_of_nothing_keeps_nothing() -> None:
    model = WatchedModel(Doubling(contract()), 0)
    ask(model, 10)
    assert model.take() is None


@pytest.fixture
def runtimes(monkeypatch: pytest.MonkeyPatch) -> Runtimes:
    monkeypatch.setattr(choice, "time_batches", lambda *_: {1: 1.0})
    return Runtimes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "saved_model.pb").write_bytes(b"a model")
    return tmp_path


def test_what_still_agrees_goes_on(runtimes: Runtimes, folder: Path) -> None:
    loader = chooser(runtimes, None, rechecked=2)
    loaded = loader.load(folder, contract(), POLICY)
    ask(loaded.model, 2)
    assert loader.recheck([KEY]) == []
    assert runtimes.tensorflow == 2
    assert loader.recheck([KEY]) == []
    assert runtimes.tensorflow == 2  # nothing was kept


def test_what_answers_otherwise_is_handed_to_tensorflow(
    runtimes: Runtimes, folder: Path
) -> None:
    loader = chooser(runtimes, None, rechecked=2)
    loaded = loader.load(folder, contract(), POLICY)
    compiled: Any = loaded.model
    compiled._model.error = 0.01  # from now on
    ask(compiled, 2)
    assert loader.recheck([KEY]) == [KEY]
    again = loader.load(folder, contract(), POLICY)
    assert chosen(again).name == "tensorflow"
    assert "live batch" in chosen(again).reason


def test_that_is_known_at_the_next_start(
    runtimes: Runtimes, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    loader = chooser(runtimes, cache, rechecked=1)
    compiled: Any = loader.load(folder, contract(), POLICY).model
    compiled._model.error = 0.01
    ask(compiled, 1)
    assert loader.recheck([KEY]) == [KEY]
    loader.load(folder, contract(), POLICY)
    again = chooser(runtimes, cache).load(folder, contract(), POLICY)
    assert chosen(again).name == "tensorflow"
    assert "live batch" in chosen(again).reason


def test_a_version_whose_files_have_changed_is_not_held_against_them(
    runtimes: Runtimes, folder: Path
) -> None:
    loader = chooser(runtimes, None, rechecked=1)
    ask(loader.load(folder, contract(), POLICY).model, 1)
    assert loader.recheck([("times", 2)]) == []
    assert runtimes.tensorflow == 1


def test_threads_that_count_at_once_lose_no_check(runtimes: Runtimes) -> None:
    model = WatchedModel(Doubling(contract()), 3)
    model._left = -2  # as if three had counted at once
    ask(model, 1)
    assert model.take() is not None


def test_tensorflow_that_cannot_say_changes_nothing(
    runtimes: Runtimes, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loader = chooser(runtimes, None, rechecked=1)
    loaded = loader.load(folder, contract(), POLICY)
    ask(loaded.model, 1)
    runtimes.refuses = lambda _: True
    assert loader.recheck([KEY]) == []
    assert "cannot be checked again" in caplog.text


def test_what_tensorflow_computes_is_not_watched(
    runtimes: Runtimes, folder: Path
) -> None:
    loader = chooser(runtimes, None, rechecked=1)
    policy = ModelPolicy(runtime="tensorflow")
    loaded = loader.load(folder, contract(), policy)
    assert isinstance(loaded.model, Doubling)
