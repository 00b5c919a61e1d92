"""What OpenVINO computes is what TensorFlow does, from every thread at once."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.compilation import find_obstacle
from service.contract.contract import Contract
from service.contract.golden import TOLERANCE, difference
from service.contract.samples import draw
from service.contract.version import read_version
from service.engine.compute.openvino_runtime import CannotCompile, OpenVINORuntime
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from tests.imports import imported

ARTIFACTS = Path("artifacts")
COMPILED = ("digits", "party", "sine", "clothing_vae", "clothing_gan")


@pytest.fixture(scope="module")
def openvino() -> OpenVINORuntime:
    return OpenVINORuntime(2)


def few_sizes(folder: Path, name: str) -> Contract:
    contract = read_version(folder, name, 1).contract
    return contract.model_copy(update={"batch_sizes": (1, 3, 8)})


def reference(folder: Path, contract: Contract) -> TensorFlowModel:
    with tf.device("/CPU:0"):
        return TensorFlowModel(tf.saved_model.load(str(folder)), contract, "/CPU:0")


@pytest.mark.parametrize("name", COMPILED)
def test_the_models_that_come_with_it_answer_as_in_tensorflow(
    name: str, openvino: OpenVINORuntime
) -> None:
    folder = ARTIFACTS / name / "1"
    contract = few_sizes(folder, name)
    assert find_obstacle(contract) is None
    compiled = openvino.load(folder, contract)
    expected = reference(folder, contract)
    for signature, described in contract.signatures.items():
        for size in contract.batch_sizes:
            rows = next(draw(described, size))
            inputs = tuple(rows[spec.name] for spec in described.inputs)
            pairs = zip(
                expected.run(signature, inputs),
                compiled.run(signature, inputs),
                strict=True,
            )
            for one, other in pairs:
                assert difference(one, other) <= TOLERANCE


def test_what_is_read_only_is_taken_and_nothing_is_shared(
    openvino: OpenVINORuntime,
) -> None:
    folder = ARTIFACTS / "digits" / "1"
    model = openvino.load(folder, few_sizes(folder, "digits"))
    zeros = np.frombuffer(bytes(784), np.uint8).reshape(1, 28, 28)
    (first,) = model.run("serving_default", (zeros,))
    kept = first.copy()
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28), np.uint8)
    (second,) = model.run("serving_default", (noise,))
    assert (first == kept).all()
    assert (first != second).any()


def test_threads_get_their_own_rows(openvino: OpenVINORuntime) -> None:
    folder = ARTIFACTS / "sine" / "1"
    model = openvino.load(folder, few_sizes(folder, "sine"))
    values = np.linspace(-3, 3, 24, dtype=np.float32).reshape(8, 3)
    expected = [model.run("serving_default", (each,))[0] for each in values]
    wrong: list[int] = []

    def ask(number: int) -> None:
        for _ in range(200):
            (found,) = model.run("serving_default", (values[number],))
            if not np.array_equal(found, expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_second_load_reads_what_the_first_has_kept(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "sine" / "1"
    contract = few_sizes(folder, "sine")
    x = (np.array([0.5], np.float32),)
    (first,) = openvino.load(folder, contract, tmp_path).run("serving_default", x)
    assert len(list(tmp_path.glob("*.blob"))) == 3
    (second,) = openvino.load(Path("gone"), contract, tmp_path).run(
        "serving_default", x
    )
    assert first == second


def test_a_heavy_version_is_compiled_once_and_computes_row_by_row(
    openvino: OpenVINORuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "party" / "1"
    contract = few_sizes(folder, "party")
    light = openvino.load(folder, contract)
    monkeypatch.setattr("service.engine.compute.openvino_runtime.HEAVY_BYTES", 0)
    heavy = openvino.load(folder, contract, tmp_path)
    assert [file.suffix for file in sorted(tmp_path.iterdir())] == [".bin", ".xml"]
    votes = np.random.default_rng(0).integers(-1, 2, (8, 16), np.int8)
    for model in (heavy, openvino.load(Path("gone"), contract, tmp_path)):
        pairs = zip(
            light.run("serving_default", (votes,)),
            model.run("serving_default", (votes,)),
            strict=True,
        )
        assert all(difference(one, other) <= TOLERANCE for one, other in pairs)


class Odd(tf.Module):  # type: ignore[misc]
    """What OpenVINO has no operation for, or has another than TensorFlow."""

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")]
    )
    def unknown(self, x: Any) -> dict[str, Any]:
        return {"y": tf.raw_ops.Betainc(a=tf.abs(x) + 1.0, b=tf.abs(x) + 1.0, x=x)}


def test_what_has_no_counterpart_is_refused_with_its_name(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    module = Odd()
    tf.saved_model.save(module, str(tmp_path), signatures=module.unknown)
    contract = read_version(tmp_path, "odd", 1).contract
    with pytest.raises(CannotCompile, match="Betainc"):
        openvino.load(tmp_path, contract)


@pytest.mark.parametrize(
    ("dtype", "shape", "changes", "obstacle"),
    [
        ("float32", (None, 3), {}, None),
        ("string", (None, 3), {}, "x is string"),
        ("bfloat16", (None, 3), {}, "x is bfloat16"),
        ("float32", (None, None), {}, "x has dimensions of any size"),
        ("float32", (None, 3), {"stateful": ("s",)}, "s keeps state"),
        ("float32", (2, 3), {"unbatched": {"s": "no rows"}}, None),
    ],
)
def test_obstacles_are_told_without_trying(
    dtype: str, shape: Any, changes: dict[str, Any], obstacle: str | None
) -> None:
    spec = {"name": "x", "dtype": dtype, "shape": shape}
    contract = Contract.model_validate(
        {
            "name": "m",
            "version": 1,
            "batch_sizes": (1,),
            "signatures": {"s": {"inputs": [spec], "outputs": []}},
            **changes,
        }
    )
    assert find_obstacle(contract) == obstacle


def test_neither_tensorflow_nor_telemetry_is_imported() -> None:
    code = (
        "from pathlib import Path\n"
        "from service.engine.compute.openvino_runtime import OpenVINORuntime\n"
        "from service.contract.version import read_version\n"
        "folder = Path('artifacts/sine/1')\n"
        "contract = read_version(folder, 'sine', 1).contract\n"
        "OpenVINORuntime(1).load(folder, contract).warm()\n"
    )
    assert imported(code, of={"tensorflow", "openvino_telemetry"}) == []
