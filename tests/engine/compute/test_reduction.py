"""bfloat16 where a version's own samples prove that it answers as well, and only there.

Its answer is the largest of three numbers, which the model doubles. In bfloat16 the
first of them comes out 0.01 too large: where two are nearly equal, the answer changes.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.compilation import PrecisionChoice, RuntimeChoice
from service.contract.contract import Contract
from service.contract.golden import FILENAME, Golden, Samples, write_golden
from service.contract.policy import ModelPolicy
from service.contract.signature import Signature, TensorSpec
from service.engine.compute import choice, reduction
from service.engine.compute.choice import RuntimeChooser
from service.engine.compute.proof import LEAST_ROWS
from service.engine.compute.runtime import Loaded
from tests.engine.compute.test_choice import (
    POLICY,
    Runtimes,
    chooser,
    chosen,
)
from tests.engine.compute.test_choice import contract as plain

NAME = "serving_default"
NEAR = 0.001  # by which the second number is the larger one, where two are near


def contract(**changes: Any) -> Contract:
    return plain(
        **{"task": "image classification", "labels": ("a", "b", "c")} | changes
    )


def samples(near: int = 0, rows: int = LEAST_ROWS, labels: Any = None) -> Samples:
    """Rows of which `near` are nearly undecided; the second class is right in all."""
    x = np.tile(np.array([[0.1, 0.4, 0.2]], np.float32), (rows, 1))
    x[:near, 0] = 0.4 - NEAR
    right = np.ones(rows, np.int64) if labels is None else labels
    return Samples((x,), (2 * x,), right)


def publish(folder: Path, given: Contract, found: dict[str, Samples]) -> None:
    write_golden(folder / FILENAME, Golden("held-out", found), given.signatures)


def shift(outputs: Any) -> None:
    outputs[:, 0] += 0.01


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "times" / "1"
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"a model")
    return path


@pytest.fixture
def gain(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """How many times as fast it is in bfloat16."""
    found = {"gain": 1.8}

    def time_batches(model: Any, golden: Golden) -> dict[int, float]:
        return {1: 1.8 / found["gain"] if model.bfloat16 else 1.8}

    monkeypatch.setattr(reduction, "time_batches", time_batches)
    monkeypatch.setattr(choice, "time_batches", lambda *_: {1: 1.0})
    return found


@pytest.fixture
def runtimes(gain: dict[str, float]) -> Runtimes:
    found = Runtimes()
    found.round = shift
    return found


def able(runtimes: Runtimes, cache: Path | None = None, **more: Any) -> RuntimeChooser:
    return chooser(runtimes, cache, **{"has_bfloat16": True} | more)


def precision(loaded: Loaded) -> PrecisionChoice:
    found = chosen(loaded).precision
    assert found is not None
    return found


def test_what_is_proven_computes_in_it(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    publish(folder, contract(), {NAME: samples(near=1)})
    loaded = able(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    found = precision(loaded)
    assert found.reason == "1 of 1,000 answers changed, 1.80 times as fast"
    assert chosen(loaded).computes_in == found.name == "bfloat16"
    assert loaded.model.bfloat16 == (NAME,)
    proof = found.signatures[NAME]
    assert proof.accuracy == {"float32": 1, "bfloat16": 0.999}
    assert (proof.rows, proof.changed, proof.faster) == (1000, 1, 1.8)
    assert proof.difference == pytest.approx(0.01, rel=0.01)
    assert runtimes.orders == [None, {NAME: "bfloat16"}]
    assert runtimes.references == ["float32"]


def test_a_second_start_computes_in_it_without_tensorflow(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    publish(folder, contract(), {NAME: samples()})
    first = able(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)
    again = able(runtimes, tmp_path / "cache")
    assert again.is_quick(folder, contract(), POLICY)
    second = again.load(folder, contract(), POLICY)
    assert second.choice == first.choice
    assert second.model.bfloat16 == (NAME,)
    assert runtimes.tensorflow == 1


def test_what_went_wrong_since_is_found_out_within_the_precisions_own_tolerance(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    publish(folder, contract(), {NAME: samples()})
    able(runtimes, tmp_path / "cache").load(folder, contract(), POLICY)

    def shift_far(outputs: Any) -> None:
        outputs[:, 0] += 0.04

    runtimes.round = shift_far
    found = chosen(able(runtimes, tmp_path / "cache").load(folder, contract(), POLICY))
    assert found.name == "tensorflow"
    assert "expected a difference of at most 0.03, received 0.04" in found.reason


@pytest.mark.parametrize(
    ("near", "points", "wanted"),
    [
        (1, 0.1, "bfloat16"),
        (2, 0.1, "float32"),
        (0, 0, "bfloat16"),
        (1, 0, "float32"),
        (10, 1, "bfloat16"),
    ],
)
def test_as_many_answers_may_change_as_the_manifest_allows(
    near: int, points: float, wanted: str, runtimes: Runtimes, folder: Path
) -> None:
    given = contract(precision_tolerance=points)
    publish(folder, given, {NAME: samples(near)})
    loaded = able(runtimes).load(folder, given, POLICY)
    assert chosen(loaded).name == "openvino"
    assert precision(loaded).name == wanted
    assert loaded.model.bfloat16 == ((NAME,) if wanted == "bfloat16" else ())
    if wanted == "float32":
        expected = f"at most {points:g} % of 1,000 answers to change, received {near}"
        assert expected in precision(loaded).reason


def with_labels(labels: Any) -> Callable[[], Samples]:
    return lambda: samples(labels=labels)


def without_labels() -> Samples:
    found = samples()
    return Samples(found.inputs, found.outputs)


def not_a_number() -> Samples:
    found = samples()
    found.inputs[0][5] = found.outputs[0][5] = np.nan
    return found


@pytest.mark.parametrize(
    ("made", "changes", "reason"),
    [
        (without_labels, {}, "its samples have no labels"),
        (lambda: samples(rows=999), {}, "expected at least 1,000 samples with a label"),
        (with_labels(np.ones(1000)), {}, "labels: expected a whole number for each"),
        (with_labels(np.ones(7, int)), {}, "received int64 [7]"),
        (with_labels(np.ones((1000, 1), int)), {}, "received int64 [1000, 1]"),
        (with_labels(np.full(1000, 3)), {}, "expected 0 to 2, received 3 to 3"),
        (with_labels(np.full(1000, -1)), {}, "expected 0 to 2, received -1 to -1"),
        (not_a_number, {}, "no scores of classes"),
        (samples, {"task": "tabular-regression"}, "no measure is known of tabular-"),
        (samples, {"task": None, "labels": ()}, "no measure is known of its task"),
    ],
)
def test_what_cannot_be_proven_stays_in_float32(
    made: Callable[[], Samples],
    changes: dict[str, Any],
    reason: str,
    runtimes: Runtimes,
    folder: Path,
) -> None:
    given = contract(**changes)
    publish(folder, given, {NAME: made()})
    loaded = able(runtimes).load(folder, given, POLICY)
    assert chosen(loaded).name == "openvino"
    assert (precision(loaded).name, loaded.model.bfloat16) == ("float32", ())
    assert reason in precision(loaded).reason
    assert runtimes.orders == [None]  # nothing was even tried


@pytest.mark.parametrize("wanted", ["auto", "bfloat16"])
def test_whole_numbers_are_never_reduced(
    wanted: Any, runtimes: Runtimes, folder: Path
) -> None:
    spec = TensorSpec(name="x", dtype="int32", shape=(None, 3))
    given = contract(
        signatures={
            NAME: Signature(
                inputs=(spec,), outputs=(spec.model_copy(update={"name": "y"}),)
            )
        }
    )
    x = np.ones((1000, 3), np.int32)
    publish(folder, given, {NAME: Samples((x,), (2 * x,), np.ones(1000, int))})
    loaded = able(runtimes, precision=wanted).load(folder, given, POLICY)
    assert (chosen(loaded).name, loaded.model.bfloat16) == ("openvino", ())
    assert precision(loaded).reason == "y is int32"


def make_nan(outputs: Any) -> None:
    outputs[0, 0] = np.nan


def shift_far(outputs: Any) -> None:
    outputs[:, 1] += 0.05


def fail(outputs: Any) -> None:
    raise RuntimeError("native code")


@pytest.mark.parametrize(
    ("rounding", "reason"),
    [
        (make_nan, "differ by at most 0.03, received inf"),
        (shift_far, "differ by at most 0.03, received 0.05"),
        (fail, "in bfloat16 it fails: native code"),
    ],
)
def test_outputs_that_go_wrong_in_it_stay_in_float32(
    rounding: Any, reason: str, runtimes: Runtimes, folder: Path
) -> None:
    runtimes.round = rounding
    publish(folder, contract(), {NAME: samples()})
    loaded = able(runtimes).load(folder, contract(), POLICY)
    assert (chosen(loaded).name, loaded.model.bfloat16) == ("openvino", ())
    assert reason in precision(loaded).reason


def test_a_compiler_that_dies_of_it_leaves_float32(
    runtimes: Runtimes, folder: Path
) -> None:
    runtimes.round_reason = "its compiler ended by SIGSEGV"
    publish(folder, contract(), {NAME: samples()})
    loaded = able(runtimes).load(folder, contract(), POLICY)
    assert (chosen(loaded).name, loaded.model.bfloat16) == ("openvino", ())
    assert "SIGSEGV" in precision(loaded).reason


def test_what_gains_little_stays_in_float32_unless_it_is_asked_for(
    runtimes: Runtimes, folder: Path, gain: dict[str, float]
) -> None:
    gain["gain"] = 1.05
    publish(folder, contract(), {NAME: samples()})
    found = precision(able(runtimes).load(folder, contract(), POLICY))
    assert found.name == "float32"
    assert found.reason.endswith("times as fast in bfloat16, received 1.05")
    policy = ModelPolicy(precision="bfloat16")
    assert precision(able(runtimes).load(folder, contract(), policy)).name == "bfloat16"


def test_a_signature_that_proves_nothing_stays_beside_one_that_does(
    runtimes: Runtimes, folder: Path
) -> None:
    signature = contract().signatures[NAME]
    given = contract(signatures={NAME: signature, "other": signature})
    publish(folder, given, {NAME: samples(), "other": without_labels()})
    loaded = able(runtimes).load(folder, given, POLICY)
    assert loaded.model.bfloat16 == (NAME,)
    assert precision(loaded).reason == (
        f"{NAME}: 0 of 1,000 answers changed, 1.80 times as fast; "
        "other: its samples have no labels"
    )


def test_one_of_two_that_fails_its_proof_is_loaded_in_float32_again(
    runtimes: Runtimes, folder: Path
) -> None:
    signature = contract().signatures[NAME]
    given = contract(signatures={NAME: signature, "other": signature})
    publish(folder, given, {NAME: samples(near=9), "other": samples()})
    loaded = able(runtimes).load(folder, given, POLICY)
    assert loaded.model.bfloat16 == ("other",)
    assert set(precision(loaded).signatures) == {"other"}


@pytest.mark.parametrize(
    ("settings", "policy", "reason"),
    [
        ({"precision": "float32"}, {}, "it is asked for"),
        ({}, {"precision": "float32"}, "it is asked for"),
        ({"has_bfloat16": False}, {}, "the processor has no bfloat16"),
        (
            {"has_bfloat16": False, "precision": "bfloat16"},
            {},
            "the processor has no bfloat16",
        ),
    ],
)
def test_where_it_is_not_wanted_or_not_there_nothing_is_tried(
    settings: dict[str, Any],
    policy: dict[str, Any],
    reason: str,
    runtimes: Runtimes,
    folder: Path,
) -> None:
    publish(folder, contract(), {NAME: samples()})
    loader = able(runtimes, **settings)
    loaded = loader.load(folder, contract(), ModelPolicy(**policy))
    assert precision(loaded) == PrecisionChoice(name="float32", reason=reason)
    assert runtimes.orders == [None]


def test_who_asks_for_it_needs_no_labels(runtimes: Runtimes, folder: Path) -> None:
    publish(folder, contract(), {NAME: without_labels()})
    loaded = able(runtimes, precision="bfloat16").load(folder, contract(), POLICY)
    assert loaded.model.bfloat16 == (NAME,)
    assert precision(loaded).signatures[NAME].changed is None
    assert precision(loaded).reason.startswith("differs by at most 0.01")


def test_who_asks_for_it_has_tensorflow_compute_in_it_what_is_not_compiled(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    runtimes.reason = "no such operation"
    for _ in range(2):
        loader = able(runtimes, tmp_path / "cache", precision="bfloat16")
        found = chosen(loader.load(folder, contract(), POLICY))
        assert (found.name, found.reason) == ("tensorflow", "no such operation")
        assert found.computes_in == "bfloat16"
    assert runtimes.references == ["float32", "bfloat16", "bfloat16"]


def test_what_tensorflow_serves_is_not_said_to_compute_as_what_was_compiled(
    runtimes: Runtimes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, contract(), {NAME: samples()})
    seconds = iter([2.0, 1.0])  # of what was compiled, and of TensorFlow
    monkeypatch.setattr(choice, "time_batches", lambda *_: {1: next(seconds)})
    found = chosen(able(runtimes).load(folder, contract(), POLICY))
    assert (found.name, found.computes_in) == ("tensorflow", "float32")
    assert found.precision is None


def test_a_setting_that_changes_between_starts_is_heeded(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    publish(folder, contract(), {NAME: samples()})
    cache = tmp_path / "cache"
    for wanted, expected in (
        ("auto", (NAME,)), ("float32", ()), ("bfloat16", (NAME,)), ("auto", (NAME,))
    ):  # fmt: skip
        loader = able(runtimes, cache, precision=wanted)
        assert loader.load(folder, contract(), POLICY).model.bfloat16 == expected
    assert len(list(cache.iterdir())) == 3
    other = contract(precision_tolerance=0.0)
    assert not able(runtimes, cache).is_quick(folder, other, POLICY)


def test_an_entry_of_the_other_precision_in_ones_place_is_made_anew(
    runtimes: Runtimes, folder: Path, tmp_path: Path
) -> None:
    publish(folder, contract(), {NAME: samples()})
    cache = tmp_path / "cache"
    able(runtimes, cache).load(folder, contract(), POLICY)
    (reduced,) = cache.iterdir()
    exactly = able(runtimes, cache, precision="float32")
    exactly.load(folder, contract(), POLICY)
    (exact,) = set(cache.iterdir()) - {reduced}
    shutil.rmtree(exact)
    shutil.copytree(reduced, exact)
    again = able(runtimes, cache, precision="float32")
    assert again.load(folder, contract(), POLICY).model.bfloat16 == ()
    assert runtimes.compiled == 4  # twice in float32 and bfloat16, once more in float32


@pytest.mark.parametrize(
    ("wanted", "by", "expected"),
    [("auto", 0.02, 0), ("auto", 0.1, 1), ("float32", 0.02, 1)],
)
def test_live_batches_may_differ_by_as_much_as_the_precision_may(
    wanted: Any, by: float, expected: int, runtimes: Runtimes, folder: Path
) -> None:
    publish(folder, contract(), {NAME: samples()})
    loader = able(runtimes, precision=wanted, rechecked=1)
    loaded = loader.load(folder, contract(), POLICY)
    runtimes.factor = 2 + by
    loaded.model.run(NAME, (np.full((1, 3), 0.9, np.float32),))
    assert len(loader.recheck([("times", 1)])) == expected


def test_the_log_says_what_computes_it_and_in_what() -> None:
    reduced = PrecisionChoice(name="bfloat16", reason="0 of 1,000 answers changed")
    found = RuntimeChoice(name="openvino", reason="compiled", precision=reduced)
    assert found.describe() == (
        "openvino, compiled; bfloat16, 0 of 1,000 answers changed"
    )
    assert RuntimeChoice(name="openvino", reason="compiled").computes_in == "float32"
