"""`servery add` and `servery inspect`: a model from anywhere becomes a version."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner, Result

from service.cli import cli
from service.contract.contract import from_saved_model
from service.contract.integrity import verify_files
from service.contract.manifest import read_manifest
from service.contract.saved_model import read_saved_model
from service.web.api.tensorflow_serving.predict import parse_predict
from service.web.api.v2.infer import InferRequest
from tests.imports import imported
from tests.saved_models import KINDS, forbidden, save

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # in Keras, as it saves
)

SINE = Path(__file__).parents[2] / "artifacts" / "sine" / "1"


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)))


def add(path: Path, artifacts: Path, *options: Any) -> Result:
    return run("add", path, "--artifacts", artifacts, *options)


@pytest.mark.parametrize("kind", KINDS)
def test_a_savedmodel_of_any_kind_is_added_and_answers_the_same(
    kind: str, tmp_path: Path
) -> None:
    KINDS[kind](tmp_path / kind)

    result = add(tmp_path / kind, tmp_path / "artifacts")

    assert result.exit_code == 0, result.output
    folder = tmp_path / "artifacts" / kind / "1"
    assert read_saved_model(folder) == read_saved_model(tmp_path / kind)
    assert not (folder / "manifest.json").exists()
    assert "they differ by 0 " in result.output


@pytest.mark.parametrize(
    "kind", ["half_plus_two", "two_inputs", "no_rows", "several_signatures"]
)
def test_the_bodies_that_are_printed_are_ones_that_work(
    kind: str, tmp_path: Path
) -> None:
    KINDS[kind](tmp_path / kind)

    output = add(tmp_path / kind, tmp_path / "artifacts").output

    contract = from_saved_model(kind, 1, read_saved_model(tmp_path / kind))
    called = re.findall(r"curl (\S+) -d '(.*)'", output)
    assert len(called) == 2 * len(contract.signatures)
    for url, body in called:
        if url == f"localhost:8000/v1/models/{kind}:predict":
            assert parse_predict(json.loads(body), contract).inputs
        else:
            assert url == f"localhost:8000/v2/models/{kind}/infer"
            assert InferRequest.model_validate_json(body).inputs


def test_a_body_that_is_long_is_written_by_python(tmp_path: Path) -> None:
    spec = tf.TensorSpec([None, 64, 64, 3], "uint8", "image")
    save(tmp_path / "m", lambda image: {"y": tf.cast(image, tf.float32)}, spec)

    output = add(tmp_path / "m", tmp_path / "artifacts").output

    for line in re.findall(r"python3 (-c '.*') \| curl", output):
        code = line.removeprefix("-c '").removesuffix("'")
        body = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True
        )
        value = json.loads(body.stdout)
        data = value.get("instances") or value["inputs"][0]["data"]
        assert np.size(data) == 64 * 64 * 3


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_file_of_keras_is_added(suffix: str, tmp_path: Path) -> None:
    x = keras.Input((3,), name="x")
    model = keras.Model(x, keras.layers.Dense(2, name="scores")(x))
    model.compile("adam", "mse")
    model.save(tmp_path / f"Flowers-2.{suffix}")

    result = add(tmp_path / f"Flowers-2.{suffix}", tmp_path)

    assert result.exit_code == 0, result.output
    saved = tf.saved_model.load(str(tmp_path / "Flowers-2" / "1"))
    ones = np.ones((1, 3), np.float32)
    scores = saved.signatures["serving_default"](x=tf.constant(ones))["scores"]
    np.testing.assert_allclose(scores, model(ones), atol=1e-6)


class Custom(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


def lambda_layer() -> Any:
    return keras.layers.Lambda(lambda x: x * 2)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [(lambda_layer, "it has a Lambda layer"), (Custom, "it has code of its own")],
    ids=["lambda", "custom"],
)
def test_code_in_a_file_is_never_run(
    make: Any, reason: str, suffix: str, tmp_path: Path
) -> None:
    keras.Sequential([keras.Input((3,)), make()]).save(tmp_path / f"m.{suffix}")

    result = add(tmp_path / f"m.{suffix}", tmp_path)

    assert result.exit_code == 1
    assert reason in result.output
    assert "servery.export(model, name)" in result.output


def test_weights_alone_are_no_model(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.save_weights(tmp_path / "m.weights.h5")

    assert "weights alone" in add(tmp_path / "m.weights.h5", tmp_path).output


def test_anything_else_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()

    result = add(tmp_path / "model.pt", tmp_path)

    assert result.exit_code == 1
    assert "expected a SavedModel" in result.output


def test_operations_that_reach_out_are_refused_unless_allowed(tmp_path: Path) -> None:
    forbidden(tmp_path / "m", "MatchingFiles")

    refused = add(tmp_path / "m", tmp_path / "artifacts")
    allowed = add(tmp_path / "m", tmp_path / "artifacts", "--allow-operations")

    assert refused.exit_code == 1
    assert "MatchingFiles reads files" in refused.output
    assert allowed.exit_code == 0, allowed.output
    assert "the service too must be told" in allowed.output


def test_assets_and_warm_up_requests_come_along_and_nothing_else(
    tmp_path: Path,
) -> None:
    source = tmp_path / "m"
    KINDS["table_from_asset"](source)
    (source / "assets.extra").mkdir()
    (source / "assets.extra" / "tf_serving_warmup_requests").touch()
    (source / ".hidden").touch()
    (source / "assets" / ".DS_Store").touch()
    (source / "keras_metadata.pb").touch()

    assert add(source, tmp_path / "artifacts").exit_code == 0

    folder = tmp_path / "artifacts" / "m" / "1"
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert {
        "assets/words.txt",
        "assets.extra/tf_serving_warmup_requests",
        "fingerprint.pb",
        "saved_model.pb",
    } <= names
    assert not {name for name in names if "hidden" in name or "DS_Store" in name}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    KINDS["half_plus_two"](tmp_path / "m")
    (tmp_path / "m" / "assets" / "secret").symlink_to(__file__)

    result = add(tmp_path / "m", tmp_path / "artifacts")

    assert result.exit_code == 1
    assert "assets/secret" in result.output
    assert not (tmp_path / "artifacts" / "m").exists()


def test_a_version_with_a_manifest_keeps_what_it_says(tmp_path: Path) -> None:
    result = add(SINE, tmp_path, "--name", "wave", "--version", 7)

    assert result.exit_code == 0, result.output
    manifest, original = read_manifest(tmp_path / "wave" / "7"), read_manifest(SINE)
    verify_files(tmp_path / "wave" / "7", manifest)
    assert (manifest.name, manifest.version) == ("wave", 7)
    assert manifest.metrics == original.metrics


def test_a_model_s_folder_gives_its_newest_version_and_its_name(
    tmp_path: Path,
) -> None:
    for version, kind in (("2", "half_plus_two"), ("10", "hash_table")):
        KINDS[kind](tmp_path / "BERT-base.v1" / version)

    for path in (tmp_path / "BERT-base.v1", tmp_path / "BERT-base.v1" / "10"):
        assert add(path, tmp_path / "artifacts").exit_code == 0

    home = tmp_path / "artifacts" / "BERT-base.v1"
    assert sorted(path.name for path in home.iterdir()) == ["1", "2"]
    assert "LookupTableFindV2" in read_saved_model(home / "1").operations


def test_rows_of_ones_own_are_compared_by(tmp_path: Path) -> None:
    spec = tf.TensorSpec([None], "string", "number")
    save(tmp_path / "m", lambda number: {"y": tf.strings.to_number(number)}, spec)
    np.savez(tmp_path / "rows.npz", number=np.array(["1", "2.5", "-3"]))

    drawn = add(tmp_path / "m", tmp_path / "artifacts")
    given = add(
        tmp_path / "m", tmp_path / "artifacts", "--samples", tmp_path / "rows.npz"
    )

    assert drawn.exit_code == 1
    assert "give real ones (--samples FILE.npz)" in drawn.output
    assert given.exit_code == 0, given.output
    assert '{"instances": ["1"]}' in given.output


def test_inspection_says_what_goes_in_and_what_is_batched(tmp_path: Path) -> None:
    KINDS["half_plus_two"](tmp_path / "half" / "2")
    KINDS["counter"](tmp_path / "half" / "10")

    newest = run("inspect", tmp_path / "half")
    older = run("inspect", tmp_path / "half" / "2")

    assert "half/10" in newest.output
    assert "not batched: it changes variables or tables" in newest.output
    assert "takes x: float32 [-1]" in older.output
    assert "batched by rows" in older.output


def test_inspection_of_what_is_refused_ends_with_1(tmp_path: Path) -> None:
    forbidden(tmp_path / "m", "WriteFile")

    result = run("inspect", tmp_path / "m")

    assert result.exit_code == 1
    assert "refused: WriteFile writes files" in result.output


def test_inspection_in_json(tmp_path: Path) -> None:
    KINDS["no_rows"](tmp_path / "m")

    found = json.loads(run("inspect", tmp_path / "m", "--json").output)

    assert found["unbatched"].keys() == {"serving_default"}
    assert found["signatures"]["serving_default"]["inputs"][0]["shape"] == [3]
    assert (found["manifest"], found["refused"]) == (False, {})
    assert found["bytes"] > 0


def test_a_file_of_keras_is_not_inspected_but_added(tmp_path: Path) -> None:
    (tmp_path / "m.keras").touch()

    result = run("inspect", tmp_path / "m.keras")

    assert result.exit_code == 1
    assert "servery add m.keras" in result.output


def test_inspection_loads_no_tensorflow(tmp_path: Path) -> None:
    code = (
        "from service.cli import cli\n"
        f"cli(['inspect', {str(SINE)!r}], standalone_mode=False)"
    )
    assert imported(code, of={"tensorflow", "keras"}) == []
