"""What is written is what was trained, lean and whole, or nothing at all."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from servery.versions import next_version
from service.contract.golden import FILENAME as GOLDEN
from service.contract.golden import Golden, Samples, read_golden, write_golden
from service.contract.integrity import hash_files, is_covered, verify_files
from service.contract.manifest import (
    DIGEST,
    Data,
    ManifestError,
    Training,
    read_manifest,
    write_manifest,
)
from service.contract.signature import TensorSpec
from service.contract.version import read_version
from training.core.export import (
    Card,
    ExportRefused,
    Function,
    HeldOut,
    export_version,
)
from training.core.export_again import export_again

ROWS = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    """A model with what bloats files: an optimizer's state, dropout's seed."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(500), layers.Dropout(0.5), layers.Dense(2)]
    )
    model.compile("adam", "mse")
    model.train_on_batch(ROWS, np.zeros((4, 2)))
    return model


@pytest.fixture
def function(model: Any) -> Function:
    return Function(
        lambda rows: {"scores": model(rows, training=False)},
        inputs=(TensorSpec(name="rows", dtype="float32", shape=(None, 3)),),
        sample={"rows": ROWS},
    )


@pytest.fixture
def card() -> Card:
    data = Data(name="none", source="here", licence="CC0", sha256={}, rows={"train": 4})
    return Card(
        name="tiny",
        task="test",
        description="A model for tests.",
        intended_use="Tests.",
        limits="All else.",
        labels=("no", "yes"),
        batch_sizes=(1, 4),
        training=Training(
            data=(data,),
            seed=1,
            epochs=1,
            seconds=0.5,
            hardware="any",
            versions={},
            git_commit="none",
            hyperparameters={},
        ),
        metrics={"accuracy": 0.5},
    )


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_the_reloaded_model_answers_like_the_live_one_for_any_rows(
    card: Card, function: Function, model: Any, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)

    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    for rows in (1, 4, 9):
        batch = np.ones((rows, 3), np.float32)
        scores = served(rows=tf.constant(batch))["scores"].numpy()
        np.testing.assert_allclose(scores, model(batch).numpy(), atol=1e-5)


def test_every_variable_is_written_once_and_training_state_never(
    card: Card, function: Function, model: Any, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)

    listed = tf.train.list_variables(str(folder / "variables" / "variables"))
    weights = [shape for name, shape in listed if not name.startswith("_CHECKPOINT")]
    size = (folder / "variables" / "variables.data-00000-of-00001").stat().st_size
    assert sorted(weights) == sorted(list(w.shape) for w in model.weights)
    assert size < model.count_params() * 4 + 2000


def test_the_manifest_describes_what_was_written(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(
        card, {"serving_default": function}, tmp_path, reports={"curve.png": b"PNG"}
    )

    manifest = read_manifest(folder)
    verify_files(folder, manifest)
    assert (manifest.name, manifest.version) == ("tiny", 1)
    assert manifest.metrics == {"accuracy": 0.5}
    assert manifest.files.keys() >= {"saved_model.pb", "report/curve.png"}
    signature = manifest.signatures["serving_default"]
    assert signature.inputs == function.inputs
    assert signature.outputs == (
        TensorSpec(name="scores", dtype="float32", shape=(None, 2)),
    )


def many(count: int) -> HeldOut:
    rows = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    return HeldOut({"rows": rows}, np.arange(count) % 2)


@pytest.mark.parametrize(
    ("most", "kept"), [(4_000_000, 1000), (12 * 100, 100), (1, 64)]
)
def test_as_many_labelled_rows_are_kept_as_fit(
    most: int,
    kept: int,
    card: Card,
    function: Function,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("training.core.export.MOST_GOLDEN_BYTES", most)
    held_out = {"serving_default": many(5000)}
    functions = {"serving_default": function}
    folder = export_version(card, functions, tmp_path, held_out=held_out)
    golden = read_golden(folder / GOLDEN, read_manifest(folder).signatures)
    assert golden is not None
    samples = golden.samples["serving_default"]
    assert samples.labels is not None
    assert len(samples.inputs[0]) == len(samples.labels) == kept
    assert len(samples.outputs[0]) == kept


def test_a_version_is_written_again_with_more_samples_and_is_the_same_to_the_byte(
    card: Card, function: Function, tmp_path: Path
) -> None:
    functions = {"serving_default": function}
    first = export_version(
        card, functions, tmp_path, held_out={"serving_default": many(100)}
    )
    second = export_again(first, tmp_path, {"serving_default": many(5000)})
    one, other = read_manifest(first), read_manifest(second)
    changed = {key for key in one.files if one.files[key] != other.files[key]}
    assert (other.version, changed) == (2, {"golden.npz"})
    assert (one.metrics, one.training) == (other.metrics, other.training)
    assert other.description.endswith("with a label, 1,000 of `serving_default`.")
    verify_files(second, other)
    assert export_again(second, tmp_path, {}).name == "3"


def test_a_version_that_answers_otherwise_than_it_says_is_not_written_again(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)
    manifest = read_manifest(folder)
    golden = read_golden(folder / GOLDEN, manifest.signatures)
    assert golden is not None
    samples = golden.samples["serving_default"]
    others = Samples(samples.inputs, (samples.outputs[0] + 1,))
    write_golden(
        folder / GOLDEN,
        Golden("given", {"serving_default": others}),
        manifest.signatures,
    )
    files = hash_files(folder)
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    with pytest.raises(ExportRefused, match="expected what its samples say"):
        export_again(folder, tmp_path, {})
    (folder / GOLDEN).unlink()
    files.pop(GOLDEN)
    write_manifest(folder, manifest.model_copy(update={"files": files}))
    with pytest.raises(ExportRefused, match=r"expected a golden\.npz, found none"):
        export_again(folder, tmp_path, {})
    assert names_in(tmp_path / "tiny") == {"1"}


@pytest.mark.parametrize("points", [-0.1, 1.5, 100, float("nan"), float("inf")])
def test_a_tolerance_that_is_none_is_refused_with_what_was_expected(
    points: float, card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | {"precision_tolerance": points}
    path.write_text(json.dumps(content))
    with pytest.raises(ManifestError, match="precision_tolerance: expected"):
        read_manifest(folder)


@pytest.mark.parametrize("change", ["edit", "remove", "add"])
def test_any_change_afterwards_is_noticed(
    card: Card, function: Function, tmp_path: Path, change: str
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)
    graph = folder / "saved_model.pb"
    if change == "edit":
        graph.write_bytes(graph.read_bytes() + b"\0")
    elif change == "remove":
        graph.unlink()
    else:
        (folder / "extra").touch()

    with pytest.raises(ManifestError, match="extra" if change == "add" else graph.name):
        verify_files(folder, read_manifest(folder))


def test_measures_edited_afterwards_are_noticed(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)
    manifest = folder / "manifest.json"
    manifest.write_text(
        manifest.read_text().replace('"accuracy": 0.5', '"accuracy": 1')
    )

    with pytest.raises(ManifestError, match=r"manifest\.json: expected SHA-256"):
        verify_files(folder, read_manifest(folder))
    with pytest.raises(ManifestError, match=r"manifest\.json: expected SHA-256"):
        read_version(folder, "tiny", 1)


def test_anybody_s_sha256sum_checks_the_manifest(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)

    subprocess.run(["sha256sum", "--check", DIGEST], cwd=folder, check=True)


def test_a_version_from_before_manifests_were_hashed_is_whole_and_uncovered(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)
    assert is_covered(folder)
    (folder / DIGEST).unlink()

    verify_files(folder, read_manifest(folder))
    assert not is_covered(folder)


def test_versions_count_up_from_the_highest(
    card: Card, function: Function, tmp_path: Path
) -> None:
    (tmp_path / "tiny" / "7").mkdir(parents=True)
    (tmp_path / "tiny" / "notes").mkdir()

    folder = export_version(card, {"serving_default": function}, tmp_path)

    assert folder.name == "8"
    assert next_version(tmp_path / "tiny") == 9


def test_a_version_is_never_overwritten(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path, version=3)
    before = read_manifest(folder)

    with pytest.raises(ExportRefused, match="version 3 of tiny exists"):
        export_version(
            replace(card, description="Another."),
            {"serving_default": function},
            tmp_path,
            version=3,
        )

    assert read_manifest(folder) == before
    verify_files(folder, before)
    assert names_in(tmp_path / "tiny") == {"3"}


def test_a_model_that_answers_otherwise_once_reloaded_leaves_nothing(
    card: Card, function: Function, tmp_path: Path
) -> None:
    def guess(rows: Any) -> dict[str, Any]:
        return {"scores": tf.random.uniform([tf.shape(rows)[0], 2])}

    with pytest.raises(ExportRefused, match=r"scores: .* expected at most 1e-05"):
        export_version(
            card, {"serving_default": replace(function, call=guess)}, tmp_path
        )

    assert names_in(tmp_path) == set()


def test_a_model_that_gives_no_number_is_refused(
    card: Card, function: Function, tmp_path: Path
) -> None:
    undefined = replace(function, call=lambda rows: {"scores": rows * float("nan")})

    with pytest.raises(ExportRefused, match="received nan"):
        export_version(card, {"serving_default": undefined}, tmp_path)


def test_a_failure_spares_the_versions_that_are_there(
    card: Card, function: Function, tmp_path: Path
) -> None:
    export_version(card, {"serving_default": function}, tmp_path)

    with pytest.raises(ExportRefused, match="expected at least one, received none"):
        export_version(card, {}, tmp_path)

    assert names_in(tmp_path / "tiny") == {"1"}


def test_the_first_signature_is_what_tensorflow_serving_runs_by_default(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"score": function}, tmp_path)

    served = tf.saved_model.load(str(folder)).signatures
    assert read_manifest(folder).signatures.keys() == {"score"}
    scores = [
        served[name](rows=ROWS)["scores"] for name in ("score", "serving_default")
    ]
    np.testing.assert_array_equal(*scores)


def test_several_signatures_share_their_variables(card: Card, tmp_path: Path) -> None:
    scale = tf.Variable([1.0, 2.0, 3.0])
    seeds = TensorSpec(name="seed", dtype="int64", shape=(None,))
    rows = TensorSpec(name="rows", dtype="float32", shape=(None, 3))
    encode = Function(
        lambda rows: {"z": rows * scale, "a": tf.reduce_sum(rows * scale, axis=1)},
        inputs=(rows,),
        sample={"rows": ROWS},
    )
    decode = Function(
        lambda rows, seed: {"rows": rows / scale, "seed": seed},
        inputs=(rows, seeds),
        sample={"rows": ROWS, "seed": np.arange(4)},
    )

    folder = export_version(card, {"decode": decode, "encode": encode}, tmp_path)

    signatures = read_manifest(folder).signatures
    assert [s.name for s in signatures["encode"].outputs] == ["z", "a"]
    assert [s.name for s in signatures["decode"].inputs] == ["rows", "seed"]
    assert signatures["decode"].outputs[1].dtype == "int64"
    assert len(tf.train.list_variables(str(folder / "variables" / "variables"))) == 2


def test_text_and_lookup_tables_survive(card: Card, tmp_path: Path) -> None:
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(["good", "bad"]), tf.constant([1, 2], tf.int64)
        ),
        default_value=0,
    )
    read = Function(
        lambda text: {
            "token": table.lookup(tf.strings.lower(text)),
            "echo": tf.strings.upper(text),
        },
        inputs=(TensorSpec(name="text", dtype="string", shape=(None,)),),
        sample={"text": np.array(["Good", "naïve", "BAD", ""], dtype=object)},
    )

    folder = export_version(
        card, {"serving_default": read}, tmp_path, resources=[table]
    )

    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answer = served(text=tf.constant(["bad", "good", "?"]))
    assert answer["token"].numpy().tolist() == [2, 1, 0]
    assert read_manifest(folder).signatures["serving_default"].outputs[1] == (
        TensorSpec(name="echo", dtype="string", shape=(None,))
    )


def test_no_path_of_the_machine_is_written(
    card: Card, function: Function, tmp_path: Path
) -> None:
    folder = export_version(card, {"serving_default": function}, tmp_path)

    here = str(Path(__file__).parents[3]).encode()
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert here not in content
            assert str(tmp_path).encode() not in content
