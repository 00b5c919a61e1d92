"""A task is declared with the export, and refused where the model cannot be it."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import servery
from service.cli import cli
from service.contract.golden import FILENAME as GOLDEN
from service.contract.golden import read_golden
from service.contract.manifest import read_manifest

LABELS = ["circle", "square", "star"]
DICT = {"kind": "image-classification", "size": [4, 4], "colour": "grey"}
TOML = 'kind = "image-classification"\nsize = [4, 4]\ncolour = "grey"\n'

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # in Keras, as it saves
)


@pytest.fixture(scope="module")
def model() -> Any:
    image = keras.Input((4, 4, 1), name="image")
    flat = keras.layers.Flatten()(image)
    return keras.Model(image, keras.layers.Dense(3, "softmax", name="shape")(flat))


def test_a_declaration_as_an_object_or_as_a_dict_is_the_same(
    model: Any, tmp_path: Path
) -> None:
    task = servery.ImageClassification(size=(4, 4), colour="grey")

    for given in (task, DICT):
        folder = servery.export(
            model, "shapes", artifacts=tmp_path, task=given, labels=LABELS
        )
        manifest = read_manifest(folder)
        assert (manifest.task, manifest.labels) == (task, tuple(LABELS))


def test_a_name_alone_is_only_written_down(model: Any, tmp_path: Path) -> None:
    folder = servery.export(model, "shapes", artifacts=tmp_path, task="see shapes")
    assert read_manifest(folder).task == "see shapes"


@pytest.mark.parametrize(
    ("task", "labels", "message"),
    [
        (
            DICT | {"size": [5, 4]},
            LABELS,
            r"expected an input whose rows are \(5, 4, 1",
        ),
        (DICT, LABELS[:2], r"expected an output whose rows are \(2,\)"),
        (DICT, [], "expected at least two labels, received 0"),
        (DICT | {"sise": 4}, LABELS, "task.image-classification.sise"),
        (
            {"kind": "image"},
            LABELS,
            "task: expected a 'kind' of image-classification, .* received 'image'",
        ),
        ({"kind": object()}, LABELS, "expected what JSON can say"),
    ],
    ids=["size", "labels", "no-labels", "field", "kind", "no-json"],
)
def test_what_the_model_cannot_be_is_refused_and_leaves_nothing(
    task: Any, labels: list[str], message: str, model: Any, tmp_path: Path
) -> None:
    with pytest.raises(servery.ExportRefused, match=message):
        servery.export(model, "shapes", artifacts=tmp_path, task=task, labels=labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("right", [[0, 2, 1], ["circle", "star", "square"]])
def test_right_answers_are_kept_with_the_samples(
    right: list[Any], model: Any, tmp_path: Path
) -> None:
    folder = servery.export(
        model, "shapes", artifacts=tmp_path, labels=LABELS,
        samples=np.zeros((3, 4, 4, 1)), expected=right,
    )  # fmt: skip

    golden = read_golden(folder / GOLDEN, read_manifest(folder).signatures)
    assert golden
    labels = golden.samples["serving_default"].labels
    assert labels is not None
    assert labels.tolist() == [0, 2, 1]


@pytest.mark.parametrize(("given", "kept"), [(70, 70), (1000, 1000), (2500, 1000)])
def test_of_many_samples_with_right_answers_a_thousand_are_kept_from_all_of_them(
    given: int, kept: int, model: Any, tmp_path: Path
) -> None:
    rows = np.random.default_rng(0).random((given, 4, 4, 1), np.float32)
    folder = servery.export(
        model, "shapes", artifacts=tmp_path, labels=LABELS,
        samples=rows, expected=np.arange(given) % 3,
    )  # fmt: skip

    golden = read_golden(folder / GOLDEN, read_manifest(folder).signatures)
    assert golden
    found = golden.samples["serving_default"]
    chosen = np.arange(kept) * given // kept
    assert found.labels is not None
    np.testing.assert_array_equal(found.inputs[0], rows[chosen])
    np.testing.assert_array_equal(found.labels, chosen % 3)
    np.testing.assert_allclose(
        found.outputs[0], model.predict(rows[chosen], verbose=0), atol=1e-5
    )


@pytest.mark.parametrize(
    ("samples", "right", "message"),
    [
        (np.zeros((3, 4, 4, 1)), [0, 1], r"an answer to each of 3 samples, \(3,\)"),
        (np.zeros((1, 4, 4, 1)), ["heart"], "circle, square, star; received 'heart'"),
        (None, [0], "expected samples too"),
    ],
    ids=["count", "label", "no-samples"],
)
def test_right_answers_to_other_samples_are_refused(
    samples: Any, right: list[Any], message: str, model: Any, tmp_path: Path
) -> None:
    with pytest.raises(servery.ExportRefused, match=message):
        servery.export(
            model, "shapes", artifacts=tmp_path, labels=LABELS,
            samples=samples, expected=right,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"), [("task.toml", TOML), ("task.json", json.dumps(DICT))]
)
def test_servery_add_takes_the_task_from_a_file(
    name: str, content: str, model: Any, tmp_path: Path
) -> None:
    model.save(tmp_path / "shapes.keras")
    (tmp_path / name).write_text(content)

    result = add(tmp_path, name, "circle, square,star")

    assert result.exit_code == 0, result.output
    manifest = read_manifest(tmp_path / "artifacts" / "shapes" / "1")
    assert manifest.labels == tuple(LABELS)
    assert isinstance(manifest.task, servery.ImageClassification)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("size = [", "task: task.toml: "),
        ("size = [4, 4]", "task: expected an object with 'kind', received object of 1"),
        (TOML, "expected at least two labels"),
    ],
)
def test_servery_add_says_what_is_wrong_with_the_file(
    content: str, message: str, model: Any, tmp_path: Path
) -> None:
    model.save(tmp_path / "shapes.keras")
    (tmp_path / "task.toml").write_text(content)

    result = add(tmp_path, "task.toml", "")

    assert result.exit_code == 1
    assert message in result.output


def test_a_manifest_beside_a_savedmodel_is_kept_but_for_what_is_said(
    model: Any, tmp_path: Path
) -> None:
    servery.export(model, "shapes", artifacts=tmp_path, task=DICT, labels=LABELS)

    words = ["add", str(tmp_path / "shapes"), "--artifacts", str(tmp_path / "other"),
             "--labels", "a,b,c"]  # fmt: skip
    result = CliRunner().invoke(cli, words)

    assert result.exit_code == 0, result.output
    manifest = read_manifest(tmp_path / "other" / "shapes" / "1")
    assert manifest.labels == ("a", "b", "c")
    assert isinstance(manifest.task, servery.ImageClassification)


def add(folder: Path, task: str, labels: str) -> Any:
    words = ["add", str(folder / "shapes.keras"), "--task", str(folder / task),
             "--artifacts", str(folder / "artifacts"), "--labels", labels]  # fmt: skip
    return CliRunner().invoke(cli, words)
