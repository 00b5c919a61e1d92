"""SavedModels of strangers, compiled: they answer as in TensorFlow or are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.golden import difference
from service.contract.policy import ModelPolicy, WantedRuntime
from service.contract.version import read_version
from service.engine.compute.choice import RuntimeChooser
from service.engine.compute.compiled_cache import CompiledCache
from service.engine.compute.openvino_runtime import OpenVINORuntime
from service.engine.compute.runtime import Loaded
from service.engine.compute.tensorflow_runtime import TensorFlowRuntime
from tests.saved_models import Spec, save


def weights(*shape: int) -> Any:
    return tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)


def betainc(x: Any) -> Any:
    some = tf.abs(x) + 1.0
    return tf.raw_ops.Betainc(a=some, b=some, x=tf.clip_by_value(x, 0, 1))


def unusual(x: Any) -> Any:
    return tf.where(x > 100, x + tf.random.uniform(tf.shape(x)), x)


def floats(*names: str) -> list[Any]:
    return [Spec([None, 4], "float32", name) for name in names or ("x",)]


def of(dtype: str, *shape: int) -> list[Any]:
    return [Spec([None, *(shape or (4,))], dtype, "x")]


Model = tuple[Callable[..., dict[str, Any]], list[Any]]

TAKEN: dict[str, Model] = {
    "not a number": (lambda x: {"y": tf.math.log(-tf.abs(x))}, floats()),
    "infinite": (lambda x: {"y": 1.0 / (x * 0)}, floats()),
    "nothing": (lambda x: {"y": x[:, :0]}, floats()),
    "whole numbers": (lambda x: {"y": tf.argmax(x @ weights(4, 5), -1)}, floats()),
    "truth": (lambda x: {"y": tf.logical_not(x)}, of("bool")),
    "half precision": (lambda x: {"y": x * 2}, of("float16")),
    "large numbers, cast": (
        lambda x: {"y": tf.nn.relu(tf.cast(x, tf.float32) @ weights(4, 3))},
        of("int32"),
    ),
    "an input that it ignores": (lambda x, z: {"y": x * 2}, floats("x", "z")),
    "its input, twice": (lambda x: {"y": x, "z": x}, floats()),
    "a loop": (
        lambda x: {
            "y": tf.while_loop(
                lambda turn, _: turn < 5, lambda turn, y: (turn + 1, y * 1.1), [0, x]
            )[1]
        },
        floats(),
    ),
    "no rows": (lambda x: {"y": x * x}, [Spec([3], "float32", "x")]),
}

REFUSED: dict[str, tuple[Callable[..., dict[str, Any]], list[Any], str]] = {
    "64 bits": (lambda x: {"y": x + 1}, of("int64"), "received inf"),
    "64 bits, no rows": (
        lambda x: {"y": x * 2},
        [Spec([], "int64", "x")],
        "received inf",
    ),
    "a product of 64 bits": (
        lambda x: {"y": tf.math.floormod(x * 2654435761, 97)},
        of("int64"),
        "received inf",
    ),
    "bytes that wrap": (lambda x: {"y": x * 2}, of("int8"), "received inf"),
    "double precision": (lambda x: {"y": x - 1.7e9}, of("float64"), "x is float64"),
    "chance": (
        lambda x: {"y": x + tf.random.uniform(tf.shape(x))},
        floats(),
        "TensorFlow differs from itself",
    ),
    "chance, seldom": (lambda x: {"y": unusual(x)}, floats(), "it draws at random"),
    "rows that mix": (
        lambda x: {"y": x - tf.reduce_mean(x)},
        floats(),
        "TensorFlow differs from itself",
    ),
    "sides of any size": (
        lambda x: {"y": tf.reduce_sum(x, -1)},
        [Spec([None, None], "float32", "x")],
        "x has dimensions of any size",
    ),
    "an unknown operation": (lambda x: {"y": betainc(x)}, floats(), "Betainc"),
}

EMBEDDING: Model = (lambda x: {"y": tf.gather(weights(20, 3), x)}, of("int32"))


@pytest.fixture(scope="module")
def runtimes() -> tuple[OpenVINORuntime, TensorFlowRuntime]:
    return OpenVINORuntime(2), TensorFlowRuntime("cpu", 1)


Load = Callable[..., Loaded]


@pytest.fixture
def load(runtimes: tuple[OpenVINORuntime, TensorFlowRuntime], tmp_path: Path) -> Load:
    """Saves a function and loads it, by OpenVINO where that is right."""

    def load(
        function: Any, specs: Any, wanted: WantedRuntime = "openvino", **more: Any
    ) -> Loaded:
        folder = tmp_path / "stranger" / "1"
        save(folder, function, *specs, **more)
        contract = read_version(folder, "stranger", 1).contract
        contract = contract.model_copy(update={"batch_sizes": (1, 3, 8)})
        cache = CompiledCache(tmp_path / "cache")
        chooser = RuntimeChooser(*runtimes, cache, 2, wanted=wanted)
        return chooser.load(folder, contract, ModelPolicy())

    return load


def runtime(loaded: Loaded) -> tuple[str, str]:
    assert loaded.choice is not None
    return loaded.choice.name, loaded.choice.reason


@pytest.mark.parametrize("kind", TAKEN)
def test_what_is_taken_answers_as_in_tensorflow(kind: str, load: Load) -> None:
    function, specs = TAKEN[kind]
    loaded = load(function, specs)
    assert runtime(loaded)[0] == "openvino", runtime(loaded)
    rng = np.random.default_rng(1)
    inputs = tuple(
        (rng.random([3 if dim is None else dim for dim in spec.shape]) * 9).astype(
            spec.dtype.as_numpy_dtype
        )
        for spec in specs
    )
    expected = function(*map(tf.constant, inputs))
    outputs = loaded.model.run("serving_default", inputs)
    for name, output in zip(sorted(expected), outputs, strict=True):
        assert difference(expected[name].numpy(), output) <= 1e-5


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_answer_otherwise_is_refused(kind: str, load: Load) -> None:
    function, specs, reason = REFUSED[kind]
    name, said = runtime(load(function, specs))
    assert name == "tensorflow"
    assert reason in said


def test_what_tensorflow_refuses_is_compiled_only_if_that_is_wanted(
    load: Load,
) -> None:
    name, said = runtime(load(*EMBEDDING, wanted="auto"))
    assert (name, "TensorFlow refuses some numbers" in said) == ("tensorflow", True)
    assert runtime(load(*EMBEDDING, wanted="openvino"))[0] == "openvino"


def test_of_several_signatures_all_are_compiled_or_none(load: Load) -> None:
    def plus(number: int) -> tuple[Any, ...]:
        return lambda x: {"y": x + number}, *floats()

    alike = {"a.b": plus(1), "a.c": plus(2), "a_b": plus(3)}
    loaded = load(lambda x: {"y": x}, floats(), **alike)
    assert runtime(loaded)[0] == "openvino"
    x = np.zeros((1, 4), np.float32)
    found = {name: loaded.model.run(name, (x,))[0][0, 0] for name in alike}
    assert found == {"a.b": 1, "a.c": 2, "a_b": 3}
    odd = (lambda x: {"y": betainc(x)}, *floats())
    name, said = runtime(load(lambda x: {"y": x + 1}, floats(), odd=odd))
    assert (name, "Betainc" in said) == ("tensorflow", True)
