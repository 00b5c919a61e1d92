"""What computes a version: chosen by its answers, its speed, and what is wanted."""

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.compilation import Precision, RuntimeChoice
from service.contract.contract import Contract
from service.contract.golden import FILENAME, Golden, GoldenError, Samples, write_golden
from service.contract.policy import ModelPolicy
from service.contract.signature import Signature, TensorSpec
from service.engine.batching.tensors import Tensors
from service.engine.compute import choice
from service.engine.compute.choice import RuntimeChooser, has_gpu
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.runtime import Loaded
from service.engine.ended import ProcessDied

POLICY = ModelPolicy()


def contract(dtype: str = "float32", **changes: Any) -> Contract:
    values = {
        "name": "times",
        "version": 1,
        "batch_sizes": (1, 2, 4),
        "signatures": {
            "serving_default": Signature(
                inputs=(TensorSpec(name="x", dtype=dtype, shape=(None, 3)),),
                outputs=(TensorSpec(name="y", dtype=dtype, shape=(None, 3)),),
            )
        },
    }
    return Contract(**values | changes)


class Doubling:
    """Doubles, and is off by `error`; knows how often it was asked."""

    in_process = alive = True
    factor: float = 2
    bfloat16: Collection[str] = ()
    divided: Collection[str] = ()

    def __init__(self, given: Contract, error: float = 0.0):
        self.contract = given
        self.error = error
        self.sizes: list[int] = []
        self.refuses: Callable[[Any], bool] = lambda _: False
        self.round: Callable[[Any], object] = lambda _: None

    def run(self, signature: str, tensors: Tensors) -> Tensors:
        if self.refuses(tensors[0]):
            raise ValueError("not for me")
        self.sizes.append(len(tensors[0]))
        rows: Any = tensors[0]
        outputs = (rows * self.factor + self.error).astype(rows.dtype)
        if signature in self.bfloat16:
            self.round(outputs)
        return (outputs,)

    def warm(self) -> float:
        return 0.125


class Runtimes:
    """TensorFlow and a compiler of test doubles, and what they were asked for."""

    def __init__(self) -> None:
        self.error = 0.0
        self.factor: float = 2
        self.reason: str | None = None
        self.tensorflow = self.compiled = 0
        self.write: Callable[[Path], object] = lambda _: None
        self.read: Callable[[Path], object] = lambda _: None
        self.refuses: Callable[[Any], bool] = lambda _: False
        self.compiled_refuses: Callable[[Any], bool] = lambda _: False
        self.round: Callable[[Any], object] = lambda _: None  # outputs, in place
        self.round_reason: str | None = None
        self.orders: list[Mapping[str, Precision] | None] = []
        self.references: list[Precision | None] = []

    def load_tensorflow(
        self, folder: Path, given: Contract, precision: Any
    ) -> Doubling:
        self.tensorflow += 1
        self.references.append(precision)
        model = Doubling(given)
        model.bfloat16 = tuple(given.signatures) if precision == "bfloat16" else ()
        model.refuses, model.factor = self.refuses, self.factor
        self.reference = model
        return model

    def compile(
        self,
        folder: Path,
        given: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> None:
        self.compiled += 1
        self.orders.append(precisions)
        reason = self.round_reason if precisions else self.reason
        if reason is not None:
            raise ValueError(reason)
        (cache / "model.blob").write_bytes(b"compiled")
        self.write(cache)

    def load(
        self,
        given: Contract,
        cache: Path,
        precisions: Mapping[str, Precision] | None = None,
    ) -> Doubling:
        assert (cache / "model.blob").read_bytes() == b"compiled"
        self.read(cache)
        model = Doubling(given, self.error)
        model.refuses = self.compiled_refuses
        model.bfloat16 = tuple(precisions or ())
        model.round = self.round
        return model


class Loading:
    """What loads any version, by a function."""

    def __init__(self, load: Any):
        self.load = load

    def start(self) -> None:
        pass

    def release(self) -> None:
        pass


@pytest.fixture
def runtimes() -> Runtimes:
    return Runtimes()


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Seconds that a batch takes: that of the runtime which is asked first, then."""
    took = {"openvino": 1.0, "tensorflow": 2.0}
    asked: Iterator[str] = iter(())

    def time_batches(model: Doubling, golden: Golden) -> dict[int, float]:
        nonlocal asked
        name = next(asked, None)
        if name is None:
            asked = iter(("tensorflow",))
            name = "openvino"
        return {1: took[name], 4: took[name]}

    monkeypatch.setattr(choice, "time_batches", time_batches)
    return took


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "times" / "1"
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"a model")
    return path


def chooser(
    runtimes: Runtimes, cache: Path | None, threads: int = 1, **settings: Any
) -> RuntimeChooser:
    return RuntimeChooser(
        runtimes,
        Loading(runtimes.load_tensorflow),
        CompiledCache(cache),
        threads,
        **settings,
    )


def chosen(loaded: Loaded) -> RuntimeChoice:
    assert loaded.choice is not None
    return loaded.choice


@pytest.mark.usefixtures("times")
def test_what_agrees_and_is_faster_is_taken(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    loaded = chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    found = chosen(loaded)
    assert (found.name, found.samples, found.difference) == ("openvino", "drawn", 0)
    assert found.reason == "compiled, it is 2.00 times as fast"
    assert found.milliseconds["tensorflow"] == {"1": 2000.0, "4": 2000.0}
    assert isinstance(loaded.model, Doubling)
    assert loaded.model.sizes == [1, 2, 4] * 2  # each by usual rows, and by far ones


@pytest.mark.usefixtures("times")
def test_a_second_start_asks_no_tensorflow_and_compares_again(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    first = chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    again = chooser(runtimes, tmp_path / "cache")
    assert again.is_quick(folder, contract(), POLICY)
    second = again.load(folder, contract(), POLICY)
    assert runtimes.tensorflow == 1
    assert second.choice == first.choice
    assert isinstance(second.model, Doubling)
    assert second.model.sizes == [1, 2, 4]


@pytest.mark.usefixtures("times")
def test_what_differs_is_not_served(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    runtimes.error = 0.01
    found = chosen(chooser(runtimes, tmp_path).load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert "expected a difference of at most 0.0001, received 0.01" in found.reason
    again = chooser(runtimes, tmp_path)
    assert not again.is_quick(folder, contract(), POLICY)
    assert chosen(again.load(folder, contract(), POLICY)) == found
    assert runtimes.compiled == 1  # it was known


@pytest.mark.usefixtures("times")
def test_integers_must_be_equal(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    runtimes.error = 1
    given = contract("int64")
    found = chosen(chooser(runtimes, tmp_path).load(folder, given, POLICY))
    assert (found.name, "received inf" in found.reason) == ("tensorflow", True)


@pytest.mark.usefixtures("times")
def test_a_compiler_that_went_wrong_since_is_found_out(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    chooser(runtimes, tmp_path).load(folder, contract(), POLICY)
    runtimes.error = 0.01
    found = chosen(chooser(runtimes, tmp_path).load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert "answers otherwise" in found.reason


def test_tensorflow_is_taken_where_it_is_far_faster_unless_one_is_wanted(
    runtimes: Runtimes, folder: Path, tmp_path: Path, times: dict[str, float]
) -> None:
    times["openvino"] = 2.2
    found = chosen(chooser(runtimes, None).load(folder, contract(), POLICY))
    assert found.name == "openvino"
    assert found.reason == "compiled, it takes 1.10 times as long, without TensorFlow"
    times["openvino"] = 4.0
    found = chosen(chooser(runtimes, None).load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert found.reason == "compiled, it takes 2.00 times as long"
    wanting = chooser(runtimes, None, wanted="openvino")
    assert chosen(wanting.load(folder, contract(), POLICY)).name == "openvino"
    policy = ModelPolicy(runtime="openvino")
    one = chooser(runtimes, None)
    assert chosen(one.load(folder, contract(), policy)).name == "openvino"


@pytest.mark.parametrize(
    ("policy", "settings", "given", "reason"),
    [
        ({"runtime": "tensorflow"}, {}, {}, "it is asked for"),
        ({}, {"wanted": "tensorflow"}, {}, "it is asked for"),
        ({}, {"obstacle": "a GPU computes it"}, {}, "a GPU computes it"),
        ({}, {}, {"stateful": ("serving_default",)}, "serving_default keeps state"),
        ({}, {}, {"dtype": "string"}, "x is string"),
    ],
)
def test_what_cannot_be_compiled_is_not_tried(
    policy: dict[str, Any],
    settings: dict[str, Any],
    given: dict[str, Any],
    reason: str,
    runtimes: Runtimes,
    folder: Path,
) -> None:
    loader = chooser(runtimes, None, **settings)
    loaded = loader.load(folder, contract(**given), ModelPolicy(**policy))
    assert chosen(loaded) == RuntimeChoice(name="tensorflow", reason=reason)
    assert loaded.warm_s == 0.125
    assert runtimes.compiled == 0


def test_what_the_compiler_refuses_tensorflow_computes(
    runtimes: Runtimes, folder: Path
) -> None:
    runtimes.reason = "no such operation"
    found = chosen(chooser(runtimes, None).load(folder, contract(), POLICY))
    assert (found.name, found.reason) == ("tensorflow", "no such operation")


def write_samples(folder: Path, factor: float) -> None:
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    golden = Golden("held-out", {"serving_default": Samples((x,), (x * factor,))})
    write_golden(folder / FILENAME, golden, contract().signatures)


@pytest.mark.usefixtures("times")
def test_samples_that_a_version_carries_are_what_is_compared_by(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    write_samples(folder, 2)
    loader = chooser(runtimes, tmp_path / "cache")
    assert chosen(loader.load(folder, contract(), POLICY)).samples == "held-out"


@pytest.mark.parametrize("wanted", ["auto", "tensorflow"])
def test_tensorflow_itself_is_held_against_them(
    wanted: Any, runtimes: Runtimes, folder: Path
) -> None:
    write_samples(folder, 2.01)
    with pytest.raises(GoldenError, match="TensorFlow answers otherwise"):
        chooser(runtimes, None, wanted=wanted).load(folder, contract(), POLICY)


@pytest.mark.usefixtures("times")
@pytest.mark.parametrize("damage", ["record", "blob", "extra"])
def test_a_damaged_entry_is_made_anew(
    damage: str, runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    (entry,) = (tmp_path / "cache").iterdir()
    name = {"record": "record.json", "blob": "model.blob", "extra": "new"}[damage]
    (entry / name).write_bytes(b"{")
    again = chooser(runtimes, tmp_path / "cache")
    again.load(folder, contract(), POLICY)
    assert (runtimes.tensorflow, runtimes.compiled) == (2, 2)
    assert chooser(runtimes, tmp_path / "cache").is_quick(folder, contract(), POLICY)


@pytest.mark.usefixtures("times")
@pytest.mark.parametrize("change", ["content", "threads", "batch sizes", "processor"])
def test_other_content_and_conditions_are_another_entry(
    change: str,
    runtimes: Runtimes,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache, given = tmp_path / "cache", contract()
    chooser(runtimes, cache).load(folder, given, POLICY)
    loader = chooser(runtimes, cache)
    if change == "content":
        (folder / "saved_model.pb").write_bytes(b"another")
    elif change == "batch sizes":
        given = contract(batch_sizes=(1, 2, 8))
    elif change == "threads":
        loader = chooser(runtimes, cache, threads=2)
    else:
        module = "service.engine.compute.compiled_cache.describe_processor"
        monkeypatch.setattr(module, lambda: "another")
    assert not loader.is_quick(folder, given, POLICY)


@pytest.mark.usefixtures("times")
def test_a_folder_that_cannot_be_written_is_no_error(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    loader = chooser(runtimes, tmp_path / "file" / "below")
    assert chosen(loader.load(folder, contract(), POLICY)).name == "openvino"


def test_rows_that_it_refuses_are_drawn_anew(
    runtimes: Runtimes, folder: Path, times: dict[str, float]
) -> None:
    runtimes.refuses = lambda rows: bool(rows.any())
    wanting = chooser(runtimes, None, wanted="openvino")
    assert chosen(wanting.load(folder, contract(), POLICY)).name == "openvino"
    runtimes.refuses = lambda rows: True
    found = chosen(chooser(runtimes, None).load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert "takes none of the rows that were drawn" in found.reason


def test_a_process_that_dies_meanwhile_is_told(
    runtimes: Runtimes, folder: Path
) -> None:
    def die(rows: Any) -> bool:
        raise ProcessDied("the process has died")

    runtimes.refuses = die
    with pytest.raises(ProcessDied):
        chooser(runtimes, None).load(folder, contract(), POLICY)


def test_a_full_disk_is_no_error(
    runtimes: Runtimes, folder: Path, tmp_path: Path, times: dict[str, float]
) -> None:
    def fill_up(draft: Path) -> None:
        if draft.parent == tmp_path / "cache":
            raise OSError(28, "No space left on device")

    runtimes.write = fill_up
    loaded = chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    assert chosen(loaded).name == "openvino"
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.usefixtures("times")
def test_an_entry_that_goes_while_it_is_read_is_made_anew(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    chooser(runtimes, cache).load(folder, contract(), POLICY)

    def go_once(entry: Path) -> None:
        runtimes.read = lambda _: None
        shutil.rmtree(entry)
        raise FileNotFoundError(entry)

    runtimes.read = go_once
    loaded = chooser(runtimes, cache).load(folder, contract(), POLICY)
    assert chosen(loaded).name == "openvino"
    assert runtimes.compiled == 2
    assert chooser(runtimes, cache).is_quick(folder, contract(), POLICY)


@pytest.mark.usefixtures("times")
def test_two_services_may_make_one_entry_at_once(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"

    def have_another_one_be_quicker(_: Path) -> None:
        runtimes.write = lambda _: None
        chooser(runtimes, cache).load(folder, contract(), POLICY)

    runtimes.write = have_another_one_be_quicker
    loaded = chooser(runtimes, cache).load(folder, contract(), POLICY)
    assert chosen(loaded).name == "openvino"
    assert len(list(cache.iterdir())) == 1
    assert chooser(runtimes, cache).is_quick(folder, contract(), POLICY)


@pytest.mark.usefixtures("times")
def test_of_huge_batches_few_rows_are_drawn_and_come_again(
    runtimes: Runtimes, folder: Path
) -> None:
    given = contract(batch_sizes=(1, 4, 65_536))
    loaded = chooser(runtimes, None).load(folder, given, POLICY)
    assert isinstance(loaded.model, Doubling)
    assert loaded.model.sizes == [1, 4, 65_536] * 2
    assert runtimes.reference.sizes[:2] == [4, 4]  # which its answers are to


@pytest.mark.usefixtures("times")
def test_what_compiled_code_raises_is_no_end_of_it(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    runtimes.compiled_refuses = lambda _: True
    found = chosen(chooser(runtimes, tmp_path).load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert found.reason == "what was compiled fails: not for me"


@pytest.mark.usefixtures("times")
def test_what_is_decided_for_tensorflow_is_kept_without_what_was_compiled(
    runtimes: Runtimes, folder: Path, tmp_path: Path, times: dict[str, float]
) -> None:
    times["openvino"] = 4.0
    chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    (entry,) = (tmp_path / "cache").iterdir()
    assert [each.name for each in entry.iterdir()] == ["record.json"]


@pytest.mark.usefixtures("times")
def test_only_what_is_ours_and_old_is_removed(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    old = [cache / ("0" * 32), cache / ".draft-old"]
    others = [cache / "photographs", cache / "notes.txt"]
    for each in (*old, *others):
        each.mkdir(parents=True)
        os.utime(each, (0, 0))
    chooser(runtimes, cache).load(folder, contract(), POLICY)
    assert not any(each.exists() for each in old)
    assert all(each.exists() for each in others)


@pytest.mark.usefixtures("times")
def test_the_service_of_another_user_can_read_what_was_kept(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    (entry,) = (tmp_path / "cache").iterdir()
    assert entry.stat().st_mode & 0o777 == 0o755


def test_without_any_folder_tensorflow_computes(
    runtimes: Runtimes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        raise FileNotFoundError("No usable temporary directory")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    found = chosen(chooser(runtimes, None).load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert "there is no folder to compile it in" in found.reason


@pytest.mark.usefixtures("times")
def test_tensorflow_is_held_against_samples_at_a_second_start_too(
    runtimes: Runtimes, folder: Path, tmp_path: Path, times: dict[str, float]
) -> None:
    times["openvino"] = 4.0
    write_samples(folder, 2)
    chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    runtimes.factor = 3
    with pytest.raises(GoldenError, match="TensorFlow answers otherwise"):
        chooser(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)


def test_what_keeps_state_is_not_asked_for_samples(
    runtimes: Runtimes, folder: Path
) -> None:
    write_samples(folder, 2)
    given = contract(stateful=("serving_default",))
    loaded = chooser(runtimes, None).load(folder, given, POLICY)
    assert isinstance(loaded.model, Doubling)
    assert loaded.model.sizes == []


def test_a_gpu_is_seen_without_tensorflow(tmp_path: Path) -> None:
    assert not has_gpu(tmp_path)
    (tmp_path / "nvidia0").touch()
    assert has_gpu(tmp_path)
