"""TensorFlow's library alone: the same answers as by all of TensorFlow."""

import gc
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.contract import from_manifest, from_saved_model
from service.contract.golden import read_golden
from service.contract.manifest import read_manifest
from service.contract.saved_model import read_saved_model
from service.engine.compute.comparison import measure
from service.engine.compute.session_model import SessionModel
from service.engine.compute.tensorflow_library import LibraryError, TensorFlowLibrary
from service.engine.compute.tensorflow_runtime import TensorFlowRuntime
from service.errors import InvalidInput
from service.processes.memory import resident_bytes
from tests.engine.compute.test_strangers import CASES, floats, texts
from tests.saved_models import DTYPES, KINDS, save

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
DEFAULT = "serving_default"
ALONE = [case for case in CASES if case[0] != "version_one"]  # which has variables


@pytest.fixture(scope="module")
def library() -> TensorFlowLibrary:
    return TensorFlowLibrary(1, 2)


def write(kind: str, folder: Path, write: Callable[[Path], None] | None = None) -> Path:
    """The graphs of one of the SavedModels of strangers, which lies beside them."""
    version, graphs = folder / "version", folder / "graphs"
    version.mkdir()
    graphs.mkdir()
    (write or KINDS[kind])(version)
    contract = from_saved_model(kind, 1, read_saved_model(version))
    TensorFlowRuntime("cpu", 1).load(version, contract).save(graphs)
    return graphs


def load(library: TensorFlowLibrary, graphs: Path) -> SessionModel:
    version = graphs.parent / "version"
    contract = from_saved_model("any", 1, read_saved_model(version))
    model = library.load(graphs, contract, version)
    model.warm()
    return model


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"), ALONE, ids=[c[0] for c in ALONE]
)
def test_it_computes_what_the_model_does(
    library: TensorFlowLibrary,
    kind: str,
    inputs: Any,
    expected: list[Any],
    tmp_path: Path,
) -> None:
    outputs = load(library, write(kind, tmp_path)).run(DEFAULT, inputs)
    assert [output.tolist() for output in outputs] == expected


def test_every_dtype_comes_out_as_it_went_in(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    model = load(library, write("every_dtype", tmp_path))
    sent = {
        dtype: texts(b"a", b"\xff\0b" * 20, b"")
        if dtype == "string"
        else np.array([1, 0, 1], dtype)
        for dtype in DTYPES
    }
    specs = model.contract.signatures[DEFAULT]
    inputs = tuple(sent[spec.name.removeprefix("in_")] for spec in specs.inputs)
    outputs = model.run(DEFAULT, inputs)
    for spec, output in zip(specs.outputs, outputs, strict=True):
        original = sent[spec.name.removeprefix("out_")]
        assert output.dtype == original.dtype
        assert output.tolist() == original.tolist()


@pytest.mark.parametrize("rows", [0, 1, 5, 20_000])
def test_arrays_may_lie_as_they_like(
    library: TensorFlowLibrary, rows: int, tmp_path: Path
) -> None:
    model = load(library, write("half_plus_two", tmp_path))
    numbers = np.random.default_rng(rows).standard_normal(2 * rows + 1, np.float32)
    for each in (numbers[1:], numbers[::-2]):  # not aligned, not in one piece
        (output,) = model.run(DEFAULT, (each,))
        np.testing.assert_array_equal(output, each / 2 + 2)


def test_each_signature_can_be_called(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    model = load(library, write("several_signatures", tmp_path))
    assert model.run("double", (floats(4),))[0].tolist() == [8]
    assert model.run("lengths", (texts(b"four"),))[0].tolist() == [4]


def test_what_it_refuses_is_said_and_harms_nothing(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    model = load(library, write("variables", tmp_path))
    wrongs = {r"[Mm]atrix.*incompatible": np.ones((1, 4), np.float32),
              r"string.*float|float.*string": texts(b"a")}  # fmt: skip
    for message, wrong in wrongs.items():
        with pytest.raises(LibraryError, match=message):
            model.run(DEFAULT, (wrong,))
    (output,) = model.run(DEFAULT, (np.ones((1, 3), np.float32),))
    assert output.tolist() == [[3, 3]]


@pytest.mark.parametrize("kind", ["version_one", "counter", "mutable_table"])
def test_what_does_not_stand_alone_is_not_written(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected graphs that are constant"):
        write(kind, tmp_path)


def test_examples_that_cannot_be_parsed_are_their_callers_fault(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    def parse(folder: Path) -> None:
        features = {"a": tf.io.FixedLenFeature([2], tf.float32)}

        def call(serialized: Any) -> dict[str, Any]:
            return {"a": tf.io.parse_example(serialized, features)["a"]}

        save(folder, call, tf.TensorSpec([None], "string", "examples"))

    model = load(library, write("parse", tmp_path, parse))
    with pytest.raises(InvalidInput, match="expected serialized examples"):
        model.run(DEFAULT, (texts(b"none"),))


def keeps_what_comes(folder: Path) -> None:
    """Gives what an earlier call brought: an operation holds on to its tensor."""

    def call(x: Any) -> dict[str, Any]:
        kept: dict[str, Any] = {"dtypes": [x.dtype], "shared_name": "kept"}
        put = tf.raw_ops.OrderedMapStage(
            key=tf.constant(1, tf.int64), indices=[0], values=[x], **kept
        )
        with tf.control_dependencies([put]):
            found = tf.raw_ops.OrderedMapPeek(
                key=tf.constant(1, tf.int64), indices=[0], **kept
            )
            return {"y": tf.reshape(found[0], tf.shape(x))}

    save(folder, call, tf.TensorSpec([None], "string", "x"))


def test_what_keeps_tensors_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"constant|OrderedMapStage"):
        write("keeps", tmp_path, keeps_what_comes)


def draws(folder: Path) -> None:
    """Random, with branches and a loop: stateful by name, and keeps nothing."""

    def call(x: Any) -> dict[str, Any]:
        drawn = tf.random.uniform(tf.shape(x))
        looped = tf.while_loop(lambda n, _: n < 3, lambda n, y: (n + 1, y + x), (0, x))
        larger = tf.cond(tf.reduce_sum(x) > 0, lambda: looped[1], lambda: -x)
        return {"y": larger + tf.floor(drawn)}

    save(folder, call, tf.TensorSpec([None], "float32", "x"))


def test_what_only_draws_branches_and_loops_is_written(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    model = load(library, write("draws", tmp_path, draws))
    assert model.run(DEFAULT, (floats(1, 2),))[0].tolist() == [4, 8]
    assert model.run(DEFAULT, (floats(-1, -2),))[0].tolist() == [1, 2]


def test_arrays_of_the_wrong_number_or_kind_are_refused(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    model = load(library, write("two_inputs", tmp_path))
    name, size = texts(b"you"), np.array([[1, 2]])
    for wrong in ((), (name,), (name, size, size), (name, size) * 25):
        with pytest.raises(LibraryError, match="expected 2 inputs"):
            model.run(DEFAULT, wrong)
    with pytest.raises(LibraryError, match="expected strings, received NoneType"):
        model.run(DEFAULT, (np.array([None], object), size))
    with pytest.raises(LibraryError, match="no tensor can be made of datetime64"):
        model.run(DEFAULT, (name, np.array([["2026-11-27"]], "datetime64[D]")))
    swapped = size.astype(size.dtype.newbyteorder())
    for names in (name, np.array([b"you"]), np.array(["you"])):
        double, greeting = model.run(DEFAULT, (names, swapped))
        assert (double.tolist(), greeting.tolist()) == ([[2, 4]], [b"hello you"])


@pytest.mark.parametrize("field", ["inputs", "outputs", "fill"])
@pytest.mark.parametrize("name", ["nowhere:0", "nowhere", "Identity:4294967296"])
def test_names_that_are_not_in_the_graph_are_refused(
    library: TensorFlowLibrary, field: str, name: str, tmp_path: Path
) -> None:
    graphs = write("half_plus_two", tmp_path)
    facts = json.loads((graphs / "graphs.json").read_text())
    facts[DEFAULT][field] = [name]
    (graphs / "graphs.json").write_text(json.dumps(facts))
    with pytest.raises(ValueError, match="expected"):
        load(library, graphs)


@pytest.mark.parametrize("damage", ["empty", "cut", "other"])
def test_damaged_graphs_are_refused(
    library: TensorFlowLibrary, damage: str, tmp_path: Path
) -> None:
    graphs = write("half_plus_two", tmp_path)
    file = graphs / "0.pb"
    content = file.read_bytes()
    damaged = {"empty": b"", "cut": content[: len(content) // 2], "other": b"\xff" * 99}
    file.write_bytes(damaged[damage])
    with pytest.raises((LibraryError, ValueError)):
        load(library, graphs)
    (graphs / "graphs.json").unlink()
    with pytest.raises(FileNotFoundError):
        load(library, graphs)


def test_many_threads_have_an_answer_each(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    model = load(library, write("two_inputs", tmp_path))

    def ask(number: int) -> list[Any]:
        names = texts(*[b"%d" % number * 40] * (number % 5 + 1))
        sizes = np.full((len(names), 2), number)
        outputs = model.run(DEFAULT, (names, sizes))
        return [output.tolist() for output in outputs]

    with ThreadPoolExecutor(8) as pool:
        for number, (double, greeting) in enumerate(pool.map(ask, range(400))):
            count = number % 5 + 1
            assert double == [[2 * number] * 2] * count
            assert greeting == [b"hello " + b"%d" % number * 40] * count


def test_no_memory_grows_while_it_computes_or_loads(
    library: TensorFlowLibrary, tmp_path: Path
) -> None:
    graphs = write("two_inputs", tmp_path)
    model = load(library, graphs)
    rows = texts(*[b"x" * 100_000] * 32), np.ones((32, 2), np.int64)  # 3 MB

    def work() -> None:
        for _ in range(40):
            model.run(DEFAULT, rows)
            load(library, graphs)

    work()
    gc.collect()
    before = resident_bytes()
    work()
    gc.collect()
    assert resident_bytes() - before < 30e6


@pytest.mark.parametrize("version", ["digits/4", "sentiment/2", "writer/2"])
def test_our_own_models_answer_to_the_bit(
    library: TensorFlowLibrary, version: str, tmp_path: Path
) -> None:
    folder = ARTIFACTS / version
    contract = from_manifest(read_manifest(folder))
    golden = read_golden(folder / "golden.npz", contract.signatures)
    assert golden is not None
    model = TensorFlowRuntime("cpu", 1).load(folder, contract)
    model.save(tmp_path)
    alone = library.load(tmp_path, contract, folder)
    assert measure(alone, golden) == measure(model, golden)


def test_it_imports_nothing_of_tensorflow(tmp_path: Path) -> None:
    graphs = write("half_plus_two", tmp_path)
    code = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from service.contract.contract import from_saved_model\n"
        "from service.contract.saved_model import read_saved_model\n"
        "from service.engine.compute.tensorflow_library import TensorFlowLibrary\n"
        "version, graphs = map(Path, sys.argv[1:])\n"
        "contract = from_saved_model('any', 1, read_saved_model(version))\n"
        "model = TensorFlowLibrary(1, 1).load(graphs, contract, version)\n"
        "print(model.run('serving_default', (np.ones(1, np.float32),))[0].tolist())\n"
        "print('tensorflow' in sys.modules, 'keras' in sys.modules)\n"
    )
    arguments = [
        sys.executable,
        "-c",
        code,
        str(graphs.parent / "version"),
        str(graphs),
    ]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:2] == ["[2.5]", "False False"]
