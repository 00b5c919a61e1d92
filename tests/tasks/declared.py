"""Small models that declare their tasks, and whose answers can be told by heart."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tensorflow as tf

from service.contract.integrity import hash_files
from service.contract.manifest import FILENAME, Manifest
from service.contract.saved_model import read_saved_model
from tests.saved_models import Spec, save

CITIES = ("Bern", "Oslo", "Paris")

HOUSE = {
    "kind": "tabular-regression",
    "unit": "EUR",
    "fields": [
        {"name": "area", "kind": "number", "unit": "m²", "minimum": 1, "maximum": 500},
        {"name": "rooms", "kind": "integer", "minimum": 1},
        {
            "name": "heating",
            "kind": "category",
            "words": ["gas", "wood"],
            "codes": [5, 7],
            "optional": True,
            "missing": "gas",
        },
        {"name": "garden", "kind": "boolean"},
    ],
}
GUEST = {
    "kind": "tabular-classification",
    "threshold": 0.25,
    "fields": [
        {"name": "city", "kind": "category", "words": [*CITIES]},
        {
            "name": "age",
            "kind": "integer",
            "unit": "years",
            "minimum": 0,
            "maximum": 120,
            "optional": True,
            "missing": 40,
            "missing_word": "unknown",
        },
        {"name": "income", "kind": "number", "optional": True},
        {"name": "member", "kind": "boolean"},
    ],
    "examples": [
        {
            "title": "A member from Oslo",
            "request": {"record": {"city": "Oslo", "age": 30, "member": True}},
            "answer": {"label": "comes"},
        }
    ],
}


def declare(
    artifacts: Path,
    name: str,
    task: dict[str, Any],
    labels: tuple[str, ...] = (),
    version: int = 1,
) -> Path:
    """Write the manifest of a version whose SavedModel is there; its folder."""
    folder = artifacts / name / str(version)
    manifest = Manifest(
        name=name,
        version=version,
        task=task,
        created=datetime.now(UTC),
        description=f"A test of {task['kind']}.",
        signatures=read_saved_model(folder).signatures,
        labels=labels,
        batch_sizes=(1, 2, 4),
        files=hash_files(folder),
    )
    (folder / FILENAME).write_text(manifest.model_dump_json())
    return folder


def write_house(artifacts: Path, version: int = 1) -> None:
    """A price: 1,000 for a square metre, and the other columns as they are."""

    def call(columns: Any) -> dict[str, Any]:
        return {"price": tf.linalg.matvec(columns, tf.constant([1000.0, 1, 1, 1]))}

    folder = artifacts / "house" / str(version)
    save(folder, call, Spec([None, 4], "float32", "columns"))
    declare(artifacts, "house", HOUSE, version=version)


def write_guest(artifacts: Path) -> None:
    """Who comes: members with 0.5, others with 0.2; 0.1 more from Oslo, 0.1 if rich."""

    def call(city: Any, age: Any, income: Any, member: Any) -> dict[str, Any]:
        oslo, rich = tf.equal(city, "Oslo"), tf.greater(income, 1000.0)  # not if NaN
        shares = [tf.where(each, 0.1, 0.0) for each in (oslo, rich)]
        odd_age = tf.cast(age, tf.float32) / 1e4
        return {"p": tf.where(member, 0.5, 0.2) + shares[0] + shares[1] + odd_age}

    specs = [
        Spec([None], "string", "city"),
        Spec([None], "int32", "age"),
        Spec([None], "float32", "income"),
        Spec([None], "bool", "member"),
    ]
    save(artifacts / "guest" / "1", call, *specs)
    declare(artifacts, "guest", GUEST, ("stays away", "comes"))


def write_light(artifacts: Path, name: str = "light", **declared: Any) -> None:
    """How red, green and blue a picture is, as logits; its upper half only."""

    def call(image: Any) -> dict[str, Any]:
        upper = tf.cast(image[:, :4], tf.float32)
        return {"logits": tf.reduce_mean(upper, axis=(1, 2)) / 25.5}

    save(artifacts / name / "1", call, Spec([None, 8, 6, 3], "uint8", "image"))
    task = {"kind": "image-classification", "size": [8, 6], "top_k": 2}
    labels = ("red", "green", "blue")
    declare(artifacts, name, task | {"function_to_apply": "softmax"} | declared, labels)


def write_grey(artifacts: Path) -> None:
    """The mean of a grey picture, which it takes from -1 to 1."""

    def call(image: Any) -> dict[str, Any]:
        return {"p": (tf.reduce_mean(image, axis=(1, 2)) + 1) / 2}

    save(artifacts / "grey" / "1", call, Spec([None, 5, 4, 1], "float32", "image"))
    task = {"kind": "image-classification", "size": [5, 4], "colour": "grey"}
    bounds = {"value_range": [-1, 1], "resize": "stretch"}
    declare(artifacts, "grey", task | bounds, ("dark", "bright"))


def write_shout(artifacts: Path) -> None:
    """Whether a text ends with an exclamation mark, as one logit a row."""

    def call(text: Any) -> dict[str, Any]:
        ends = tf.strings.regex_full_match(text, r"(?s).*!")
        return {"logit": tf.where(ends, 3.0, -3.0)}

    save(artifacts / "shout" / "1", call, Spec([None, 1], "string", "text"))
    task = {"kind": "text-classification", "max_characters": 40}
    applied = {"function_to_apply": "sigmoid"}
    declare(artifacts, "shout", task | applied, ("calm", "loud"))


NAMES = (
    "__class__",
    "model_config",
    "json",
    "a.b/c",
    "q\"'",
    "$ref",
    "<b>",
    "field_0",
)


def write_numbers(artifacts: Path) -> None:
    """Small models of hard numbers and names: `whole`, `root`, `words`, `names`."""

    def write(name: str, function: Any, specs: list[Spec], fields: list[Any]) -> None:
        save(artifacts / name / "1", function, *specs)
        task = {"kind": "tabular-regression", "fields": fields}
        declare(artifacts, name, task)

    def add(int32: Any, int8: Any) -> dict[str, Any]:
        return {"y": tf.cast(int32, tf.float64) + tf.cast(int8, tf.float64)}

    kinds = ["int32", "int8"]
    whole = [{"name": kind, "kind": "integer"} for kind in kinds]
    write("whole", add, [Spec([None], kind, kind) for kind in kinds], whole)

    number = {"name": "x", "kind": "number"}
    root = Spec([None], "float32", "x")
    write("root", lambda x: {"y": tf.sqrt(x)}, [root], [number])

    words = {
        "name": "word",
        "kind": "category",
        "words": [f"word {n}" for n in range(4096)],
    }
    text = Spec([None], "string", "word")
    write("words", lambda word: {"y": tf.strings.length(word)}, [text], [words])

    named = [number | {"name": name} for name in NAMES]
    columns = Spec([None, len(NAMES)], "float32", "x")
    write("names", lambda x: {"y": tf.reduce_sum(x, 1)}, [columns], named)
