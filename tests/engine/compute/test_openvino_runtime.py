"""What OpenVINO computes is what TensorFlow does, from every thread at once."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import tensorflow as tf

from service.contract.compilation import Precision, find_obstacle
from service.contract.contract import Contract
from service.contract.golden import FILENAME, TOLERANCE, difference, read_golden
from service.contract.samples import draw
from service.contract.signature import Signature
from service.contract.version import read_version
from service.engine.compute.openvino_runtime import (
    CannotCompile,
    Compiled,
    OpenVINOModel,
    OpenVINORuntime,
)
from service.engine.compute.precision import has_bfloat16
from service.engine.compute.proof import check_labels, prove
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from service.processes.memory import resident_bytes
from tests import saved_models
from tests.imports import imported

ARTIFACTS = Path("artifacts")
COMPILED = ("digits", "party", "sine", "clothing_vae", "clothing_gan")


@pytest.fixture(scope="module")
def openvino() -> OpenVINORuntime:
    return OpenVINORuntime(2)


def few_sizes(folder: Path, name: str) -> Contract:
    contract = read_version(folder, name, 1).contract
    return contract.model_copy(update={"batch_sizes": (1, 3, 8)})


def compiled_by(
    openvino: OpenVINORuntime, folder: Path, contract: Contract, cache: Path
) -> OpenVINOModel:
    openvino.compile(folder, contract, cache)
    return openvino.load(contract, cache)


def reference(folder: Path, contract: Contract) -> TensorFlowModel:
    with tf.device("/CPU:0"):
        return TensorFlowModel(tf.saved_model.load(str(folder)), contract, "/CPU:0")


needs_bfloat16 = pytest.mark.skipif(
    not has_bfloat16(), reason="this processor has no bfloat16"
)


def executed(model: OpenVINOModel, size: int) -> set[str]:
    """What the convolutions and products of a signature really compute in."""
    compiled: Any = model._compiled["serving_default"][size]
    found = (op.get_rt_info() for op in compiled._model.get_runtime_model().get_ops())
    return {
        each["runtimePrecision"].astype(str)
        for each in found
        if each["layerType"].astype(str) in ("Convolution", "FullyConnected", "MatMul")
    }


def test_what_caches_do_not_hold_is_computed_in_parts(
    openvino: OpenVINORuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "spoken" / "1"
    contract = few_sizes(folder, "spoken")
    monkeypatch.setattr("service.engine.compute.openvino_runtime.MOST_BYTES", 10**9)
    whole = compiled_by(openvino, folder, contract, tmp_path)
    monkeypatch.undo()
    (tmp_path / "parts").mkdir()
    divided = compiled_by(openvino, folder, contract, tmp_path / "parts")
    names = [file.name for file in sorted((tmp_path / "parts").iterdir())]
    assert names == ["0-1.blob", "0-3.blob"]
    assert (whole.divided, divided.divided) == ((), ("serving_default",))
    golden = read_golden(folder / FILENAME, contract.signatures)
    assert golden is not None
    inputs = golden.samples["serving_default"].inputs
    expected = whole.run("serving_default", tuple(each[:8] for each in inputs))
    for rows in (1, 3, 7, 8):
        given = tuple(each[:rows] for each in inputs)
        for one, other in zip(
            expected, divided.run("serving_default", given), strict=True
        ):
            assert difference(one[:rows], other) <= TOLERANCE


def test_what_turns_tensors_round_along_several_axes_is_compiled(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = tmp_path / "turned" / "1"
    saved_models.turned(folder)
    contract = few_sizes(folder, "turned")
    compiled = compiled_by(openvino, folder, contract, tmp_path)
    x = np.arange(3 * 2 * 4 * 5, dtype=np.float32).reshape(3, 2, 4, 5)
    (found,) = compiled.run("serving_default", (x,))
    assert np.array_equal(found, x[:, ::-1, :, ::-1])


@needs_bfloat16
@pytest.mark.parametrize("heavy_bytes", [0, 10**9], ids=["heavy", "light"])
def test_what_computes_in_bfloat16_is_what_was_told_to(
    heavy_bytes: int,
    openvino: OpenVINORuntime,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    runtime = "service.engine.compute.openvino_runtime.HEAVY_BYTES"
    monkeypatch.setattr(runtime, heavy_bytes)
    folder = ARTIFACTS / "digits" / "1"
    contract, size = few_sizes(folder, "digits"), 1
    exact = compiled_by(openvino, folder, contract, tmp_path)
    openvino.compile(folder, contract, tmp_path, {"serving_default": "bfloat16"})
    reduced = openvino.load(contract, tmp_path, {"serving_default": "bfloat16"})
    assert (exact.bfloat16, executed(exact, size)) == ((), {"f32"})
    assert reduced.bfloat16 == ("serving_default",)
    assert executed(reduced, size) == {"bf16"}
    again = openvino.load(contract, tmp_path)
    assert (again.bfloat16, executed(again, size)) == ((), {"f32"})


@needs_bfloat16
def test_what_was_compiled_in_the_other_precision_never_computes_in_it_unasked(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "digits" / "1"
    contract = few_sizes(folder, "digits")
    openvino.compile(folder, contract, tmp_path)
    openvino.compile(folder, contract, tmp_path, {"serving_default": "bfloat16"})
    for size in (1, 3, 8):
        (tmp_path / f"0-{size}-bfloat16.blob").rename(tmp_path / f"0-{size}.blob")
    model = openvino.load(contract, tmp_path)
    assert (model.bfloat16, executed(model, 8)) == ((), {"f32"})


@pytest.mark.parametrize(
    ("told", "takes"), [("float32", "bf16"), ("bfloat16", "f32"), ("float32", "f16")]
)
def test_another_precision_than_was_told_is_refused(told: Any, takes: str) -> None:
    class Model:
        def get_property(self, _: str) -> Any:
            return getattr(ov.Type, takes)

    nothing = Signature(inputs=(), outputs=())
    model: Any = Model()
    with pytest.raises(CannotCompile, match=f"expected {told}, it would compute in"):
        Compiled(model, nothing, told)


def test_a_processor_that_has_it_not_is_told_and_float32_is_not_taken_instead(
    openvino: OpenVINORuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("service.engine.compute.openvino_runtime.ABILITY", "BF8")
    folder = ARTIFACTS / "sine" / "1"
    contract = few_sizes(folder, "sine")
    wanted: dict[str, Precision] = {"serving_default": "bfloat16"}
    with pytest.raises(CannotCompile, match="no bfloat16 on this processor"):
        openvino.compile(folder, contract, tmp_path, wanted)
    assert list(tmp_path.iterdir()) == []


@needs_bfloat16
def test_the_samples_of_digits_prove_that_its_answers_stay_as_good(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "digits" / "3"
    contract = read_version(folder, "digits", 3).contract
    golden = read_golden(folder / FILENAME, contract.signatures)
    assert golden is not None
    samples = golden.samples["serving_default"]
    check_labels(contract, "serving_default", samples)
    wanted: dict[str, Precision] = {"serving_default": "bfloat16"}
    openvino.compile(folder, contract, tmp_path, {"find": "float32", **wanted})
    model = openvino.load(contract, tmp_path, wanted)
    proof = prove(model, "serving_default", samples, contract=contract, by_labels=True)
    assert (proof.rows, proof.changed) == (1000, 0)
    assert proof.accuracy["bfloat16"] == proof.accuracy["float32"] > 0.99
    assert 0 < proof.difference < 0.03


@pytest.mark.parametrize("name", COMPILED)
def test_the_models_that_come_with_it_answer_as_in_tensorflow(
    name: str, openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / name / "1"
    contract = few_sizes(folder, name)
    assert find_obstacle(contract) is None
    compiled = compiled_by(openvino, folder, contract, tmp_path)
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


def test_an_output_may_have_the_name_of_an_input(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = tmp_path / "scribe" / "1"
    saved_models.writes(folder)
    contract = few_sizes(folder, "scribe")
    (tmp_path / "cache").mkdir()
    compiled = compiled_by(openvino, folder, contract, tmp_path / "cache")
    expected = reference(folder, contract)
    for signature, described in contract.signatures.items():
        rows = next(draw(described, 3))
        inputs = tuple(rows[spec.name] for spec in described.inputs)
        found = compiled.run(signature, inputs)
        for one, other in zip(expected.run(signature, inputs), found, strict=True):
            assert difference(one, other) == 0


def test_what_is_read_only_is_taken_and_nothing_is_shared(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "digits" / "1"
    model = compiled_by(openvino, folder, few_sizes(folder, "digits"), tmp_path)
    zeros = np.frombuffer(bytes(784), np.uint8).reshape(1, 28, 28)
    (first,) = model.run("serving_default", (zeros,))
    kept = first.copy()
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28), np.uint8)
    (second,) = model.run("serving_default", (noise,))
    assert (first == kept).all()
    assert (first != second).any()


def test_threads_get_their_own_rows(openvino: OpenVINORuntime, tmp_path: Path) -> None:
    folder = ARTIFACTS / "sine" / "1"
    model = compiled_by(openvino, folder, few_sizes(folder, "sine"), tmp_path)
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


def test_what_is_compiled_is_what_is_loaded(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "sine" / "1"
    contract = few_sizes(folder, "sine")
    with pytest.raises(FileNotFoundError):
        openvino.load(contract, tmp_path)
    openvino.compile(folder, contract, tmp_path)
    names = [file.name for file in sorted(tmp_path.iterdir())]
    assert names == ["0-1.blob", "0-3.blob", "0-8.blob"]
    for damage in (b"", b"no blob"):
        (tmp_path / "0-3.blob").write_bytes(damage)
        with pytest.raises(CannotCompile):
            openvino.load(contract, tmp_path)


def test_a_heavy_version_is_compiled_once_and_computes_row_by_row(
    openvino: OpenVINORuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "party" / "1"
    contract = few_sizes(folder, "party")
    light = compiled_by(openvino, folder, contract, tmp_path)
    monkeypatch.setattr("service.engine.compute.openvino_runtime.HEAVY_BYTES", 0)
    (tmp_path / "heavy").mkdir()
    heavy = compiled_by(openvino, folder, contract, tmp_path / "heavy")
    names = [file.name for file in sorted((tmp_path / "heavy").iterdir())]
    assert names == ["0.bin", "0.xml"]
    votes = np.random.default_rng(0).integers(-1, 2, (8, 16), np.int8)
    pairs = zip(
        light.run("serving_default", (votes,)),
        heavy.run("serving_default", (votes,)),
        strict=True,
    )
    assert all(difference(one, other) <= TOLERANCE for one, other in pairs)


@pytest.mark.parametrize("heavy_bytes", [0, 10**9], ids=["heavy", "light"])
def test_a_disk_that_is_full_is_no_fault_of_the_version(heavy_bytes: int) -> None:
    code = (
        "import resource, signal; from pathlib import Path; import tempfile\n"
        "import service.engine.compute.openvino_runtime as runtime\n"
        "from service.contract.version import read_version\n"
        f"runtime.HEAVY_BYTES = {heavy_bytes}\n"
        "folder, cache = Path('artifacts/digits/1'), Path(tempfile.mkdtemp())\n"
        "contract = read_version(folder, 'digits', 1).contract\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n"
        "    runtime.OpenVINORuntime(1).compile(folder, contract, cache)\n"
        "except OSError:\n"
        "    print('full')"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "full"


@pytest.mark.slow
def test_many_requests_of_all_sizes_take_no_more_memory(
    openvino: OpenVINORuntime, tmp_path: Path
) -> None:
    folder = ARTIFACTS / "digits" / "1"
    contract = few_sizes(folder, "digits")
    model = compiled_by(openvino, folder, contract, tmp_path)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 28, 28), np.uint8)

    def ask(times: int) -> None:
        for size in rng.choice(contract.batch_sizes, times):
            model.run("serving_default", (images[:size],))

    def growth() -> int:
        before = resident_bytes()
        ask(3000)
        return resident_bytes() - before

    ask(300)
    assert min(growth() for _ in range(3)) < 4_000_000  # what leaks grows each time


@pytest.mark.parametrize(
    ("dtype", "shape", "changes", "obstacle"),
    [
        ("float32", (None, 3), {}, None),
        ("string", (None, 3), {}, "x is string"),
        ("bfloat16", (None, 3), {}, "x is bfloat16"),
        ("float64", (None, 3), {}, "x is float64"),
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
        "from pathlib import Path; from tempfile import mkdtemp\n"
        "from service.engine.compute.openvino_runtime import OpenVINORuntime\n"
        "from service.contract.version import read_version\n"
        "folder = Path('artifacts/sine/1')\n"
        "contract = read_version(folder, 'sine', 1).contract\n"
        "runtime, cache = OpenVINORuntime(1), Path(mkdtemp())\n"
        "runtime.compile(folder, contract, cache)\n"
        "runtime.load(contract, cache).warm()\n"
    )
    assert imported(code, of={"tensorflow", "openvino_telemetry"}) == []
