"""bfloat16 only where it was asked for, can be had, and changes little."""

from pathlib import Path

import numpy as np
import pytest

from service.contract.manifest import Manifest, read_manifest
from service.contract.signature import Signature, TensorSpec
from service.engine.compute.precision import TOLERANCE, agree, draw_rows, has_bfloat16
from service.engine.compute.tensorflow_runtime import TensorFlowModel, TensorFlowRuntime

DIGITS = Path("artifacts/digits/1")
GENERATOR = Path("artifacts/clothing_vae/1")

needs_bfloat16 = pytest.mark.skipif(
    not has_bfloat16(), reason="this processor has no bfloat16"
)


def signature(given: str, wanted: str) -> Signature:
    return Signature(
        inputs=(TensorSpec(name="given", dtype=given, shape=(None, 3)),),
        outputs=(TensorSpec(name="wanted", dtype=wanted, shape=(None, 2)),),
    )


def load(folder: Path, manifest: Manifest) -> TensorFlowModel:
    return TensorFlowRuntime("cpu", 1, precision="bfloat16").load(folder, manifest)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("string", "float32"), ("int32", "float32"), ("uint8", "uint8")],
    ids=["text", "records", "pictures in whole numbers"],
)
def test_what_noise_cannot_verify_stays_in_float32(given: str, wanted: str) -> None:
    assert draw_rows(signature(given, wanted), 4) is None


@pytest.mark.parametrize("given", ["uint8", "float32"])
def test_rows_to_compare_by_are_the_same_each_time(given: str) -> None:
    first = draw_rows(signature(given, "float32"), 4)
    second = draw_rows(signature(given, "float32"), 4)

    assert first is not None and second is not None
    assert first[0].shape == (4, 3)
    assert first[0].dtype == given
    np.testing.assert_array_equal(first[0], second[0])


def test_outputs_agree_within_the_tolerance() -> None:
    exact, near = np.array([[0.5, 0.5]]), np.array([[0.5, 0.5 + 0.9 * TOLERANCE]])

    assert agree((exact,), (near,))


@pytest.mark.parametrize("wrong", [0.5 + 1.1 * TOLERANCE, float("nan")])
def test_one_output_that_differs_is_enough(wrong: float) -> None:
    same, exact = np.array([[1.0]]), np.array([[0.5, 0.5]])

    assert not agree((same, exact), (same, np.array([[0.5, wrong]])))


def test_a_processor_without_it_is_recognised(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("flags : avx2 avx512f")
    new.write_text("flags : avx2 avx512f avx512_bf16")

    assert not has_bfloat16(old)
    assert not has_bfloat16(tmp_path / "absent")
    assert has_bfloat16(new)


@needs_bfloat16
def test_digits_in_bfloat16_differ_and_within_the_tolerance() -> None:
    manifest = read_manifest(DIGITS)
    sample = np.load("tests/data/mnist_sample.npz")
    rows = (sample[sample.files[0]][:32],)
    exact = (
        TensorFlowRuntime("cpu", 1).load(DIGITS, manifest).run("serving_default", rows)
    )

    model = load(DIGITS, manifest)
    rounded = model.run("serving_default", rows)

    assert model.bfloat16 == ["serving_default"]
    assert agree(exact, rounded)
    assert not np.array_equal(exact[0], rounded[0])


@needs_bfloat16
def test_clothes_are_drawn_in_whole_numbers_all_the_same() -> None:
    manifest = read_manifest(GENERATOR)
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((32, 20), np.float32)
    rows = (latents, np.eye(10, dtype=np.float32)[rng.integers(0, 10, 32)])
    (exact,) = TensorFlowRuntime("cpu", 1).load(GENERATOR, manifest).run("decode", rows)

    model = load(GENERATOR, manifest)

    assert "decode" not in model.bfloat16
    np.testing.assert_array_equal(model.run("decode", rows)[0], exact)


def test_a_model_has_the_precision_that_was_asked_for_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manifest = read_manifest(DIGITS)
    runtime = TensorFlowRuntime("cpu", 1, precision="bfloat16")

    assert runtime.load(DIGITS, manifest, "float32").bfloat16 == []
    expected = ["serving_default"] if has_bfloat16() else []
    assert runtime.load(DIGITS, manifest).bfloat16 == expected
    caplog.clear()
    runtime = TensorFlowRuntime("cpu", 1)
    assert runtime.load(DIGITS, manifest).bfloat16 == []
    assert runtime.load(DIGITS, manifest, "bfloat16").bfloat16 == expected
    ours = [each for each in caplog.records if each.name.startswith("service")]
    assert bool(ours) != has_bfloat16()
