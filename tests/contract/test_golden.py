"""Samples come back as they were written, and differences are what they say."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.contract.dtypes import BFLOAT16
from service.contract.golden import (
    Golden,
    GoldenError,
    Samples,
    difference,
    read_golden,
    write_golden,
)
from service.contract.signature import Signature, TensorSpec


def signature(dtype: str) -> Signature:
    return Signature(
        inputs=(TensorSpec(name="x", dtype=dtype, shape=(None, 2)),),
        outputs=(TensorSpec(name="y", dtype=dtype, shape=(None,)),),
    )


@pytest.mark.parametrize(
    "x",
    [
        np.array([[1, 2], [250, 0]], np.uint8),
        np.array([[1.5, np.nan], [-np.inf, 0]], np.float32),
        np.array([[1.5, 2], [3, 4]], BFLOAT16),
        np.array([[1.5, 2], [3, 4]], np.float16),
        np.array([[b"", b"a\xff"], [b"long text", b"\xf0\x9f"]], object),
        np.array([[True, False], [False, True]]),
    ],
    ids=lambda x: str(x.dtype),
)
def test_what_is_written_is_read(x: Any, tmp_path: Path) -> None:
    name = "string" if x.dtype == object else x.dtype.name
    signatures = {"serving_default": signature(name), "other": signature(name)}
    samples = {"serving_default": Samples((x,), (x[:, 0],), np.array([3, 4]))}
    write_golden(tmp_path / "golden.npz", Golden("held-out", samples), signatures)
    found = read_golden(tmp_path / "golden.npz", signatures)
    assert found is not None
    assert found.origin == "held-out"
    assert set(found.samples) == {"serving_default"}
    read = found.samples["serving_default"]
    assert (read.inputs[0].dtype, read.outputs[0].dtype) == (x.dtype, x.dtype)
    assert read.inputs[0].tobytes() == x.tobytes() or (read.inputs[0] == x).all()
    assert read.labels is not None
    assert read.labels.tolist() == [3, 4]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_golden(tmp_path / "golden.npz", {}) is None


@pytest.mark.parametrize("content", [b"", b"PK\3\4 and no more", b"nothing of ours"])
def test_what_is_damaged_is_said_to_be(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    path.write_bytes(content)
    with pytest.raises(GoldenError, match=r"golden\.npz"):
        read_golden(path, {"serving_default": signature("int8")})


def test_samples_of_another_signature_are_refused(tmp_path: Path) -> None:
    x = np.zeros((2, 2), np.float32)
    path, floats = tmp_path / "golden.npz", {"serving_default": signature("float32")}
    samples = {"serving_default": Samples((x,), (x[:, 0],))}
    write_golden(path, Golden("given", samples), floats)
    with pytest.raises(GoldenError, match="expected int8, received float32"):
        read_golden(path, {"serving_default": signature("int8")})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0.5, 0.25], [0.5, 0.25], 0),
        ([0.5, 0.25], [0.5, 0.5], 0.25),
        ([1000.0], [1001.0], 0.001),
        ([np.nan, np.inf], [np.nan, np.inf], 0),
        ([np.nan], [1.0], np.inf),
        ([1.0], [np.nan], np.inf),
        ([np.inf], [-np.inf], np.inf),
        ([1.0], [[1.0]], np.inf),
        ([], [], 0),
    ],
)
def test_differences_of_floats(one: Any, other: Any, expected: float) -> None:
    found = difference(np.array(one, np.float32), np.array(other, np.float32))
    assert found == pytest.approx(expected, rel=1e-4)


def test_what_is_no_float_is_equal_or_not() -> None:
    assert difference(np.array([1, 2]), np.array([1, 2])) == 0
    assert difference(np.array([1, 2]), np.array([1, 3])) == np.inf
    assert difference(np.array([1, 2]), np.array([1, 2], np.int32)) == np.inf
    texts = np.array([b"a"], object)
    assert difference(texts, texts.copy()) == 0


def write_arrays(path: Path, **changes: Any) -> None:
    """Samples of `signature("float32")`, with other arrays in place of some."""
    x = np.zeros((2, 2), np.float32)
    arrays = {"origin": np.array("given"), "s/inputs/x": x, "s/outputs/y": x[:, 0]}
    given: dict[str, Any] = arrays | changes
    np.savez_compressed(path, **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"s/inputs/x": np.zeros((2, 3), np.float32)},
            r"\[None, 2\], received \[2, 3\]",
        ),
        ({"s/inputs/x": np.zeros(2, np.float32)}, r"\[None, 2\], received \[2\]"),
        ({"s/inputs/x": np.zeros((0, 2), np.float32)}, "as many rows"),
        ({"origin": np.array("a friend")}, "origin: expected one of"),
        ({"s/inputs/x": np.array([[{}, {}]])}, "cannot be read"),
    ],
)
def test_samples_of_another_form_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_arrays(tmp_path / "golden.npz", **changes)
    with pytest.raises(GoldenError, match=message):
        read_golden(tmp_path / "golden.npz", {"s": signature("float32")})


@pytest.mark.parametrize("at", range(30, 900, 60))
def test_no_damage_is_taken_for_samples(at: int, tmp_path: Path) -> None:
    path, signatures = tmp_path / "golden.npz", {"s": signature("float32")}
    write_arrays(path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 0xFF
    path.write_bytes(content)
    with suppress(GoldenError):  # some bytes mean nothing: then it is as before
        found = read_golden(path, signatures)
        assert found is not None
        assert not any(each.inputs[0].any() for each in found.samples.values())


def test_samples_that_unfold_into_too_much_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.contract.golden.MOST_BYTES", 10_000)
    write_arrays(tmp_path / "golden.npz", **{"s/labels": np.zeros(10_000)})
    with pytest.raises(GoldenError, match="expected at most 10,000 bytes"):
        read_golden(tmp_path / "golden.npz", {"s": signature("float32")})
