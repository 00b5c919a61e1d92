"""What a model says of its task, and what becomes of it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from service.contract.manifest import FILENAME, ManifestError
from service.contract.signature import Signature, TensorSpec
from service.contract.table import TaskError
from service.contract.task import (
    ImageGeneration,
    Task,
    TextClassification,
    check_task,
)
from service.contract.version import read_version
from service.engine.reasons import for_strangers
from service.errors import ModelFailed
from service.tasks.classes import classify
from service.tasks.endpoint import Wanted
from tests import saved_models
from tests.models.predicting import Application, refused
from tests.tasks import declared

WORDS = {"name": "x", "kind": "category", "words": ["a", "b"]}
FIELDS = [{"name": "x", "kind": "number"}]
TABLE = {"kind": "tabular-regression", "fields": FIELDS}


def test_declared_models_are_described_beside_the_others(
    application: Application,
) -> None:
    paths = application.get("/openapi.json").json()["paths"]
    operation = paths["/v1/predict/guest"]["post"]
    assert (
        operation["requestBody"]["content"]["application/json"]["example"]
        == (
            declared.GUEST["examples"][0]["request"]  # type: ignore[index]
        )
    )
    assert {"top_k", "version"} <= {each["name"] for each in operation["parameters"]}
    assert {"200", "422", "503"} <= operation["responses"].keys()
    assert "/v1/predict/digits" in paths  # with or without its artifact


def test_every_example_in_the_description_works(application: Application) -> None:
    paths = application.get("/openapi.json").json()["paths"]
    for name in ("guest", "house", "light", "grey", "shout"):
        content = paths[f"/v1/predict/{name}"]["post"]["requestBody"]["content"]
        example = content["application/json"]["example"]
        answer = application.ask(f"/v1/predict/{name}", json=example)
        assert answer.status_code == 200, (name, answer.text)


def test_a_model_that_declares_nothing_is_told_where_it_answers(
    tmp_path: Path,
) -> None:
    saved_models.half_plus_two(tmp_path / "half" / "1")
    application = Application(tmp_path)
    text = refused(application.ask("/v1/predict/half", json={}), 404, "not_found")
    assert "declares no task" in text
    assert "/v1/models/half:predict" in text
    text = refused(application.ask("/v1/predict/no", json={}), 404, "model_not_found")
    assert "half" in text
    application.close()


@pytest.mark.parametrize(
    ("write", "task", "labels", "said"),
    [
        (
            saved_models.half_plus_two,
            {"kind": "image-classification", "size": [28, 28]},
            ("a", "b"),
            "rows are (28, 28, 3), received x, whose rows are ()",
        ),
        (
            saved_models.half_plus_two,
            {"kind": "text-classification"},
            ("a", "b"),
            "expected an input of strings",
        ),
        (
            saved_models.two_inputs,
            {"kind": "text-classification"},
            ("a", "b"),
            "expected one input for text-classification, received name, size",
        ),
        (
            saved_models.two_inputs,
            TABLE,
            (),
            "the inputs name, size; received x",
        ),
        (
            saved_models.half_plus_two,
            TABLE | {"kind": "tabular-classification"},
            ("a", "b", "c"),
            "rows are (3,), one for each label, received y",
        ),
        (
            saved_models.half_plus_two,
            TABLE | {"kind": "tabular-classification"},
            (),
            "expected at least two labels, received 0",
        ),
        (
            saved_models.half_plus_two,
            {"kind": "image-generation", "signature": "draw"},
            (),
            "expected a signature 'draw', received serving_default",
        ),
        (
            saved_models.scalar_text,
            {"kind": "text-classification"},
            ("a", "b"),
            "expected an output of numbers for text-classification, received y",
        ),
        (
            saved_models.half_plus_two,
            {"kind": "tabular-regression", "fields": [WORDS]},
            (),
            "expected codes for the words of x, received none for x of float32",
        ),
        (
            saved_models.two_inputs,
            {
                "kind": "tabular-regression",
                "fields": [
                    WORDS | {"name": "name"},
                    {"name": "size", "kind": "number"},
                ],
            },
            (),
            "expected whole numbers for size of int64",
        ),
    ],
)
def test_a_task_that_the_signature_cannot_do_refuses_the_version(
    tmp_path: Path, write: Any, task: dict[str, Any], labels: Any, said: str
) -> None:
    write(tmp_path / "model" / "1")
    folder = declared.declare(tmp_path, "model", task, labels)
    with pytest.raises(ManifestError) as caught:
        read_version(folder, "model", 1)
    assert said in str(caught.value)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "kind": (
        {"task": {"kind": "image", "size": [8, 8]}},
        "manifest.json: task: expected a 'kind' of image-classification, .* received "
        "'image'",
    ),
    "size": (
        {"task": {"kind": "image-classification", "size": [0, 9000]}},
        "manifest.json: task.image-classification.size.0: expected a value greater "
        "than or equal to 1, received '0'; task.*size.1: .* received '9000'",
    ),
    "input": (
        {"task": {"kind": "image-classification", "size": [8, 8]}, "labels": ["a"]},
        r"task: expected an input whose rows are \(8, 8, 3\), received x, .* \(\)",
    ),
    "field": (
        {"sizes": [1]},
        "manifest.json: sizes: expected no such field, received list of 1",
    ),
    "owner": (
        {"version": 7},
        "manifest.json: expected that of owner 1, received that of owner 7",
    ),
    "files": (
        {"files": {"saved_model.pb": "0" * 64}},
        "files are not as listed; saved_model.pb: expected SHA-256 0.*, received .*",
    ),
}


def test_a_refused_version_says_why_in_a_sentence_for_strangers(tmp_path: Path) -> None:
    for name, (wrong, _) in REFUSED.items():
        saved_models.half_plus_two(tmp_path / name / "1")
        path = declared.declare(tmp_path, name, TABLE) / FILENAME
        path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    (tmp_path / "text" / "1").mkdir(parents=True)
    (tmp_path / "text" / "1" / FILENAME).write_text("{")
    application = Application(tmp_path)
    models = application.get("/v1/models").json()["models"]
    application.close()
    reasons = {each["name"]: each["versions"][0] for each in models if each["versions"]}
    assert "manifest.json: expected JSON, received EOF" in reasons["text"]["reason"]
    for name, (_, said) in REFUSED.items():
        reason = reasons[name]["reason"]
        assert re.fullmatch(said, reason), reason
        assert str(tmp_path) not in reason
        assert "pydantic" not in reason
        assert len(reason) < 300


def test_what_a_library_says_is_told_without_the_folders_of_the_machine() -> None:
    said = (
        (
            "cannot open '/srv/models/x/1/vars.bin':\n  see /usr/lib/python3/x.py, or "
            "POST /v1/models and layers/dense/kernel\n"
        )
        + "!" * 2000
        + " the end"
    )
    told = for_strangers(said)
    assert told.startswith("cannot open '")
    assert "vars.bin': see x.py, or POST models and layers/dense/kernel !!" in told
    assert len(told) == 1000
    assert told.endswith("! the end")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (FIELDS * 2, "received ['x'] twice"),
        ([{"name": "x", "kind": "category"}], "expected words for a category"),
        ([{"name": "x", "kind": "number", "words": ["a"]}], "and for nothing else"),
        (
            [{"name": "x", "kind": "integer", "optional": True}],
            "expected `missing`, what the model is given",
        ),
        (
            [{"name": "x", "kind": "category", "words": ["a"], "codes": [1, 2]}],
            "a code for each of 1 words, received 2",
        ),
        ([], "at least 1 item"),
        ([FIELDS[0] | {"name": ""}], "at least 1 character"),
        ([FIELDS[0] | {"minimum": 2, "maximum": 1}], "received 2 and 1"),
        ([FIELDS[0] | {"minimum": float("nan")}], "finite number"),
        ([FIELDS[0] | {"maximum": float("inf")}], "finite number"),
        ([FIELDS[0] | {"optional": True, "missing": "no"}], "expected a number as"),
        ([WORDS | {"optional": True, "missing": "c"}], "expected one of its words"),
        ([WORDS | {"words": ["a", "a"]}], "expected each word once"),
        ([WORDS | {"words": [*map(str, range(5000))]}], "at most 4096 items"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    tmp_path: Path, fields: list[Any], said: str
) -> None:
    saved_models.half_plus_two(tmp_path / "model" / "1")
    with pytest.raises(ValidationError) as caught:
        declared.declare(tmp_path, "model", TABLE | {"fields": fields})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"kind": "image-classification", "size": [0, 0]}, "equal to 1"),
        ({"kind": "image-segmentation", "size": [100_000, 8]}, "equal to 4096"),
        (
            {"kind": "image-classification", "size": [8, 8], "value_range": [1, 1]},
            "received 1 twice",
        ),
        ({"kind": "audio-classification", "rate": 8000, "samples": 10**12}, "9600000"),
        ({"kind": "image-generation", "temperature": float("nan")}, "finite"),
        (TABLE | {"examples": [{"title": "", "request": {"x": "x" * 2**20}}]}, "bytes"),
    ],
    ids=["no size", "huge size", "one shade", "long sound", "no number", "examples"],
)
def test_a_declaration_that_would_cost_too_much_is_refused(
    task: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Task).validate_python(task)
    assert said in str(caught.value)


def test_a_picture_is_drawn_from_a_bounded_number_of_latents() -> None:
    spec = TensorSpec(name="z", dtype="float32", shape=(None, 10**9))
    signature = Signature(inputs=(spec,), outputs=(spec,))
    with pytest.raises(TaskError, match="at most 65,536 latents, received 1,000,000"):
        check_task(ImageGeneration(), {"serving_default": signature}, ())


def test_a_model_with_other_classes_than_labels_fails_alone() -> None:
    task = TextClassification()
    three = np.zeros((2, 3), np.float32)
    with pytest.raises(ModelFailed, match=r"Expected 2 classes .* it gave 3"):
        classify(task, three, ("no", "yes"), Wanted())
