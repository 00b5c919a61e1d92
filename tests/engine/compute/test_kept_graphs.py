"""Graphs that are kept: what is loaded once needs no Python's TensorFlow again."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.contract.contract import from_saved_model
from service.contract.saved_model import read_saved_model
from service.engine.compute import compiled_cache
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.kept_graphs import KeptGraphs
from service.engine.compute.runtime import Model
from service.engine.compute.tensorflow_host import TensorFlowHost
from service.settings import Settings
from tests.engine.compute.test_strangers import floats
from tests.saved_models import KINDS

PYTHONS = "_pywrap_tensorflow_internal"  # is mapped where Python's TensorFlow is


class Loads:
    """Loads versions in processes of their own, which end with a fixture."""

    def __init__(self, folder: Path):
        self.folder, self.cache = folder, folder / "cache"
        self.hosts: list[TensorFlowHost] = []

    def load(self, kind: str, precision: str = "float32") -> tuple[Model, str]:
        """A model from a new process, and what is mapped there."""
        version = self.folder / kind
        if not version.exists():
            version.mkdir()
            KINDS[kind](version)
        contract = from_saved_model(kind, 1, read_saved_model(version))
        host = TensorFlowHost(Settings(device="cpu", tensorflow_threads=1))
        self.hosts.append(host)
        kept = KeptGraphs(host, CompiledCache(self.cache))
        model = kept.load(version, contract, precision)  # type: ignore[arg-type]
        model.warm()
        return model, Path(f"/proc/{host.pid}/maps").read_text()


@pytest.fixture
def loads(tmp_path: Path) -> Iterator[Loads]:
    found = Loads(tmp_path)
    yield found
    for host in found.hosts:
        host.close()


def answer(model: Model) -> list[float]:
    answers: list[float] = model.run("serving_default", (floats(1, 2, 5),))[0].tolist()
    return answers


def test_a_second_start_imports_no_tensorflow(loads: Loads) -> None:
    first, mapped = loads.load("half_plus_two")
    assert PYTHONS in mapped
    second, mapped = loads.load("half_plus_two")
    assert PYTHONS not in mapped
    assert answer(first) == answer(second) == [2.5, 3, 4.5]


def test_what_keeps_state_is_loaded_anew(loads: Loads) -> None:
    for _ in range(2):
        model, mapped = loads.load("counter")
        assert PYTHONS in mapped
        rows = np.array([5], np.float32)
        assert model.run("serving_default", (rows,))[0].tolist() == [5]
    assert not [*loads.cache.glob("*/graphs.json")]


def test_another_precision_is_loaded_anew(loads: Loads) -> None:
    loads.load("half_plus_two")
    _, mapped = loads.load("half_plus_two", "bfloat16")
    assert PYTHONS in mapped


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_entry_is_made_anew(
    loads: Loads, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    loads.load("half_plus_two")
    (graph,) = loads.cache.glob("*/0.pb")
    graph.write_bytes(graph.read_bytes()[:20]) if damage == "cut" else graph.unlink()
    with caplog.at_level(logging.WARNING):
        model, _ = loads.load("half_plus_two")
    assert "is damaged, and is made anew" in caplog.text
    assert answer(model) == [2.5, 3, 4.5]
    _, mapped = loads.load("half_plus_two")
    assert PYTHONS not in mapped


def test_graphs_that_vanish_meanwhile_are_no_error(loads: Loads) -> None:
    loads.load("half_plus_two")
    version = loads.folder / "half_plus_two"
    contract = from_saved_model("half_plus_two", 1, read_saved_model(version))
    host = TensorFlowHost(Settings(device="cpu", tensorflow_threads=1))
    loads.hosts.append(host)
    model = host.load(version, contract, "float32", loads.folder / "nowhere")
    assert answer(model) == [2.5, 3, 4.5]


def test_an_entry_that_another_service_replaces_is_none(
    loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads.load("half_plus_two")
    (entry,) = [each.parent for each in loads.cache.glob("*/0.pb")]
    cache = CompiledCache(loads.cache)
    assert cache.find(entry.name) is not None

    def hash_what_is_gone(folder: Path) -> dict[str, str]:
        return {}

    monkeypatch.setattr(compiled_cache, "hash_files", hash_what_is_gone)
    assert cache.find(entry.name) is None


def test_without_a_cache_nothing_is_written(tmp_path: Path) -> None:
    loads = Loads(tmp_path)
    file = tmp_path / "cache"
    file.write_text("a file, and no folder")
    model, _ = loads.load("half_plus_two")
    assert answer(model) == [2.5, 3, 4.5]
    for host in loads.hosts:
        host.close()
    assert file.read_text() == "a file, and no folder"
