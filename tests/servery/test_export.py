"""From a model in memory to a version: names and dtypes kept, answers compared."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import servery
from service.contract.integrity import verify_files
from service.contract.manifest import read_manifest
from service.contract.saved_model import read_saved_model
from service.contract.signature import Signature

layers = keras.layers


@pytest.fixture(autouse=True)
def _names_start_anew() -> None:
    keras.utils.clear_session(free_memory=False)  # which costs half a second


def signature_of(folder: Path, name: str = "serving_default") -> Signature:
    return read_saved_model(folder).signatures[name]


def said(folder: Path, **inputs: Any) -> dict[str, list[Any]]:
    answer = tf.saved_model.load(str(folder)).signatures["serving_default"](
        **{key: tf.constant(value) for key, value in inputs.items()}
    )
    return {key: value.numpy().tolist() for key, value in answer.items()}


def describe(signature: Signature) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {spec.name: (spec.dtype, spec.shape) for spec in signature.inputs},
        {spec.name: (spec.dtype, spec.shape) for spec in signature.outputs},
    )


class Doubling(keras.Model):  # type: ignore[misc]
    def call(self, rows: Any) -> dict[str, Any]:
        return {"doubled": rows * 2}


class Scale(tf.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        self.by = tf.Variable(3.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> dict[str, Any]:
        return {"y": x * self.by}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])  # type: ignore[untyped-decorator]
    def shout(self, text: Any) -> Any:
        return tf.strings.upper(text)


def test_keras_issue_19458_names_and_dtypes_are_the_authors(tmp_path: Path) -> None:
    x = keras.Input((10,), name="x", dtype="int32")
    model = keras.Model(x, layers.Dense(2, name="y")(x))

    folder = servery.export(model, "ints", artifacts=tmp_path)

    assert folder == tmp_path / "ints" / "1"
    assert describe(signature_of(folder)) == (
        {"x": ("int32", (None, 10))},
        {"y": ("float32", (None, 2))},
    )


def test_keras_issue_19771_keys_of_a_dict_are_the_outputs_names(tmp_path: Path) -> None:
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    outputs = {"sum": layers.Add()([left, right]), "score": layers.Dense(1)(left)}
    model = keras.Model({"left": left, "right": right}, outputs)

    folder = servery.export(model, "both", artifacts=tmp_path)

    inputs, names = describe(signature_of(folder))
    assert (set(inputs), set(names)) == ({"left", "right"}, {"sum", "score"})
    ones = np.ones((1, 4), np.float32)
    assert said(folder, left=ones, right=2 * ones)["sum"] == [[3, 3, 3, 3]]


def test_names_that_keras_made_up_are_not_kept(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])

    folder = servery.export(model, "plain", artifacts=tmp_path)

    assert describe(signature_of(folder)) == (
        {"input_0": ("float32", (None, 3))},
        {"output_0": ("float32", (None, 2))},
    )


def test_several_outputs_in_a_list_have_the_names_of_their_layers(
    tmp_path: Path,
) -> None:
    x = keras.Input((3,), name="x")
    model = keras.Model([x], [layers.Dense(1, name="price")(x), layers.Dense(2)(x)])

    folder = servery.export(model, "list", artifacts=tmp_path)

    assert set(describe(signature_of(folder))[1]) == {"price", "output_1"}


def test_words_and_their_table_are_in_the_version(tmp_path: Path) -> None:
    country = keras.Input((), name="country", dtype="string")
    number = layers.StringLookup(vocabulary=["Spain", "France"], name="number")(country)

    folder = servery.export(keras.Model(country, number), "words", artifacts=tmp_path)

    assert said(folder, country=["France", "?"]) == {"number": [2, 0]}


def test_a_subclassed_model_that_was_called_once(tmp_path: Path) -> None:
    model = Doubling()
    model(np.ones((2, 3), np.float32))

    folder = servery.export(model, "sub", artifacts=tmp_path)

    assert describe(signature_of(folder)) == (
        {"rows": ("float32", (None, 3))},
        {"doubled": ("float32", (None, 3))},
    )


def test_every_function_of_a_module_is_a_signature(tmp_path: Path) -> None:
    folder = servery.export(Scale(), "scale", artifacts=tmp_path)

    assert said(folder, x=[2.0]) == {"y": [6.0]}
    assert describe(signature_of(folder, "shout"))[0] == {"text": ("string", (None,))}


def test_labels_and_task_are_written_and_nothing_is_invented(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])

    folder = servery.export(
        model, "labelled", artifacts=tmp_path, labels=["no", "yes"], task="a task"
    )

    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    assert (manifest.labels, manifest.task) == (("no", "yes"), "a task")
    assert manifest.signatures["serving_default"] == signature_of(folder)
    assert manifest.training is None
    assert manifest.metrics == {}


def test_without_them_there_is_no_manifest(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])

    folder = servery.export(model, "bare", artifacts=tmp_path)

    assert not (folder / "manifest.json").exists()


def test_a_model_that_draws_at_random_is_compared_by_shape(tmp_path: Path) -> None:
    class Noise(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> dict[str, Any]:
            return {"y": x + tf.random.uniform(tf.shape(x))}

    from servery.exporter import export_model

    exported = export_model(Noise(), "noise", tmp_path)

    assert exported.varying == ("serving_default",)


def layer_alone() -> Any:
    return layers.Dense(2)


def unbuilt() -> Any:
    return keras.Sequential([layers.Dense(2)])


def never_called() -> Any:
    return Doubling()


def sparse() -> Any:
    x = keras.Input((3,), name="x", sparse=True)
    return keras.Model(x, layers.Dense(1)(x))


def no_signature() -> Any:
    return tf.Module()


def reads_files() -> Any:
    class Reader(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="path")])  # type: ignore[untyped-decorator]
        def __call__(self, path: Any) -> Any:
            return {"y": tf.map_fn(tf.io.read_file, path)}

    return Reader()


def function() -> Any:
    return len


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (layer_alone, "a layer alone; wrap it"),
        (unbuilt, "not built, so the shape of its input is not known"),
        (never_called, "call the model once"),
        (sparse, "input x: expected a dense tensor"),
        (no_signature, "expected a @tf.function with an input_signature"),
        (reads_files, "ReadFile reads files"),
        (function, "expected a keras.Model, or a tf.Module .* received builtins"),
    ],
)
def test_what_cannot_be_exported_is_said(
    make: Any, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(servery.ExportRefused, match=reason):
        servery.export(make(), "no", artifacts=tmp_path)

    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.ones((3, 4)), r"samples, x: expected float32 \[-1, 3\], received"),
        ({"z": np.ones((3, 3))}, "samples: expected an array for each of x"),
        (np.array([["a"] * 3]), "samples, x: expected float32"),
    ],
)
def test_samples_of_another_form_are_refused(
    samples: Any, reason: str, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input((3,), name="x"), layers.Dense(2)])

    with pytest.raises(servery.ExportRefused, match=reason):
        servery.export(model, "no", artifacts=tmp_path, samples=samples)


def test_everything_public_is_listed() -> None:
    assert all(getattr(servery, name).__doc__ for name in servery.__all__)
