"""The real model, computed for real."""

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.manifest import Manifest, read_manifest
from service.engine.batching.tensors import merge_rows, slice_rows
from service.engine.compute.example_errors import explain
from service.engine.compute.tensorflow_runtime import (
    SignatureError,
    TensorFlowModel,
    TensorFlowRuntime,
)

DIGITS = Path("artifacts/digits/1")


@pytest.fixture(scope="module")
def runtime() -> TensorFlowRuntime:
    return TensorFlowRuntime("cpu", 1)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest(DIGITS)


@pytest.fixture(scope="module")
def digits(runtime: TensorFlowRuntime, manifest: Manifest) -> TensorFlowModel:
    model = runtime.load(DIGITS, manifest)
    model.warm()
    return model


def noise(rows: int, seed: int = 0) -> tuple[np.ndarray]:
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 256, (rows, 28, 28), np.uint8),)


def test_a_batch_gives_each_row_what_it_gets_alone(digits: TensorFlowModel) -> None:
    rows = noise(32)
    (together,) = digits.run("serving_default", rows)
    (alone,) = merge_rows(
        [digits.run("serving_default", slice_rows(rows, i, i + 1)) for i in range(32)]
    )
    np.testing.assert_allclose(
        together.astype(np.float64), alone.astype(np.float64), atol=1e-5
    )


def test_constants_for_variables_change_no_answer(
    digits: TensorFlowModel, manifest: Manifest
) -> None:
    saved = tf.saved_model.load(str(DIGITS)).signatures["serving_default"]
    for size in manifest.batch_sizes:
        (rows,) = noise(size)
        (served,) = digits.run("serving_default", (rows,))
        expected = saved(images=tf.constant(rows))["probabilities"].numpy()
        np.testing.assert_allclose(served.astype(np.float64), expected, atol=1e-5)


def test_nothing_is_traced_and_no_memory_grows_while_serving(
    digits: TensorFlowModel, manifest: Manifest
) -> None:
    sizes = manifest.batch_sizes
    traces = digits.traces
    assert traces == len(manifest.signatures)
    batches = {size: noise(size, seed=size) for size in sizes}
    shares = 1 / np.array(sizes)  # each size costs the same in all
    order = np.random.default_rng(1).choice(sizes, 2000, p=shares / shares.sum())
    assert set(order[:500]) == set(sizes)
    for size in order[:500]:
        digits.run("serving_default", batches[int(size)])
    gc.collect()
    before = resident_bytes()
    for size in order[500:]:
        digits.run("serving_default", batches[int(size)])
    gc.collect()
    assert digits.traces == traces
    assert resident_bytes() - before < 16 * 1024 * 1024


def test_a_manifest_that_promises_another_signature_is_refused(
    runtime: TensorFlowRuntime, manifest: Manifest
) -> None:
    data = manifest.model_dump()
    data["signatures"]["serving_default"]["inputs"][0]["dtype"] = "float32"
    with pytest.raises(SignatureError, match="float32"):
        runtime.load(DIGITS, Manifest.model_validate(data))


def make_spelling() -> Any:
    """A module that looks words up in a table, and adds a weight."""
    words, numbers = tf.constant(["one", "two"]), tf.constant([1, 2], tf.int64)
    entries = tf.lookup.KeyValueTensorInitializer(words, numbers)
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(entries, -1)
    module.weight = tf.Variable(10, dtype=tf.int64)
    module.serve = tf.function(
        lambda word: {"number": module.table.lookup(word) + module.weight},
        input_signature=[tf.TensorSpec([None], tf.string, "word")],
    )
    return module


def make_counting() -> Any:
    """A module that counts its calls, so its variable cannot become a constant."""
    module = tf.Module()
    module.calls = tf.Variable(0, dtype=tf.int64)
    module.serve = tf.function(
        lambda word: {"number": tf.fill([tf.size(word)], module.calls.assign_add(1))},
        input_signature=[tf.TensorSpec([None], tf.string, "word")],
    )
    return module


def load_words(
    module: Any, folder: Path, runtime: TensorFlowRuntime, manifest: Manifest
) -> TensorFlowModel:
    tf.saved_model.save(module, str(folder), {"serving_default": module.serve})
    word = {"name": "word", "dtype": "string", "shape": [None]}
    number = {"name": "number", "dtype": "int64", "shape": [None]}
    data = manifest.model_dump()
    data["signatures"] = {"serving_default": {"inputs": [word], "outputs": [number]}}
    return runtime.load(folder, Manifest.model_validate(data))


def test_a_lookup_table_answers_as_before(
    runtime: TensorFlowRuntime, manifest: Manifest, tmp_path: Path
) -> None:
    model = load_words(make_spelling(), tmp_path, runtime, manifest)

    words = np.array([b"two", b"three", b"one"], dtype=object)

    (numbers,) = model.run("serving_default", (words,))
    np.testing.assert_array_equal(numbers, [12, 9, 11])


def test_a_model_that_writes_its_variables_is_served_too(
    runtime: TensorFlowRuntime, manifest: Manifest, tmp_path: Path
) -> None:
    model = load_words(make_counting(), tmp_path, runtime, manifest)
    rows = (np.array([b"a", b"b"], dtype=object),)

    answers = [model.run("serving_default", rows)[0].tolist() for _ in range(2)]

    assert answers == [[1, 1], [2, 2]]


def test_a_version_that_goes_takes_its_threads_with_it(
    runtime: TensorFlowRuntime, manifest: Manifest
) -> None:
    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    before = threads()
    model = runtime.load(DIGITS, manifest)
    model.run("serving_default", noise(1))
    assert threads() > before
    del model
    assert threads() == before


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


ONE = {"x": {"int64_list": {"value": [5]}}}


@pytest.mark.parametrize("parse", [tf.io.parse_example, tf.io.parse_single_example])
@pytest.mark.parametrize(
    ("feature", "example", "said"),
    [
        (tf.io.VarLenFeature(tf.float32), ONE, "x: expected float, received int64"),
        (tf.io.RaggedFeature(tf.string), ONE, "x: expected string, received int64"),
        (tf.io.FixedLenFeature([], tf.string), ONE, "expected string, received int64"),
        (tf.io.FixedLenFeature([2], tf.int64), ONE, "feature x: expected "),
    ],
    ids=["any number", "ragged", "one", "two"],
)
def test_what_tensorflow_says_of_an_example_is_told_in_our_words(
    parse: Any, feature: Any, example: dict[str, Any], said: str
) -> None:
    text = tf.train.Example(features={"feature": example}).SerializeToString()
    rows = [text] if parse is tf.io.parse_example else text

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        parse(rows, {"x": feature})

    assert said in (explain(caught.value.message) or "")
    assert explain("Matrix size-incompatible") is None
