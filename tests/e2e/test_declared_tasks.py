"""Models that declare their task, by `servery.Client` and `servery predict`."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import servery
from loadtest.commands import cli as loadtest
from servery.client.pictures import array_to_wav
from tests.e2e.server import Server
from tests.e2e.test_predict_command import run

FIELDS = (
    servery.TableField(name="age", kind="integer", minimum=0, maximum=120),
    servery.TableField(name="member", kind="boolean"),
    servery.TableField(name="balance", kind="number", optional=True, missing=0),
)
TEXT = servery.TextClassification()
TABLE = servery.TabularClassification(fields=FIELDS)
PRICE = servery.TabularRegression(fields=FIELDS, unit="€")
IMAGE = servery.ImageClassification(size=(8, 8), colour="grey", top_k=2)

SOUND = servery.AudioClassification(rate=8000, samples=800)
MASK = servery.ImageSegmentation(size=(8, 8), colour="grey")
DRAWING = servery.ImageGeneration()

pytestmark = pytest.mark.slow


def weighed(layer: Any, *weights: Any) -> Any:
    """A layer that learnt this."""

    def call(inputs: Any) -> Any:
        outputs = layer(inputs)
        layer.set_weights([np.array(each, np.float32) for each in weights])
        return outputs

    return call


def by_age(units: int, activation: str | None) -> Any:
    """Older than 50 is the second class; or ten times the age."""
    row = keras.Input((3,), name="row")
    kernel = [[-1, 1], [0, 0], [0, 0]] if units == 2 else [[10], [0], [0]]
    bias = [50, -50] if units == 2 else [0]
    dense = keras.layers.Dense(units, activation, name="out")
    return keras.Model(row, weighed(dense, kernel, bias)(row))


def by_brightness() -> Any:
    image = keras.Input((8, 8, 1), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    kernel = [[-0.1, 0, 0.1]]
    dense = keras.layers.Dense(3, "softmax", name="out")
    return keras.Model(image, weighed(dense, kernel, [12.75, 0, -12.75])(mean))


def by_loudness() -> Any:
    sound = keras.Input((800,), name="sound")
    power = keras.layers.Reshape((800, 1))(keras.layers.Multiply()([sound, sound]))
    mean = keras.layers.GlobalAveragePooling1D()(power)
    dense = keras.layers.Dense(2, "softmax", name="out")
    return keras.Model(sound, weighed(dense, [[-100, 100]], [5, -5])(mean))


def by_pixel() -> Any:
    image = keras.Input((8, 8, 1), name="image")
    layer = keras.layers.Conv2D(2, 1, activation="softmax", name="out")
    return keras.Model(image, weighed(layer, [[[[-1, 1]]]], [128, -128])(image))


def by_latents() -> Any:
    latents = keras.Input((4,), name="latents")
    shades = keras.layers.Dense(64, activation="sigmoid")(latents)
    return keras.Model(latents, keras.layers.Reshape((8, 8), name="image")(shades))


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("declared")
    made: list[tuple[str, Any, Any, list[str]]] = [
        ("ages", by_age(2, "softmax"), TABLE, ["young", "old"]),
        ("prices", by_age(1, None), PRICE, []),
        ("lights", by_brightness(), IMAGE, ["dark", "grey", "bright"]),
        ("noises", by_loudness(), SOUND, ["quiet", "loud"]),
        ("skies", by_pixel(), MASK, ["night", "day"]),
        ("drawings", by_latents(), DRAWING, []),
    ]
    for name, model, task, labels in made:
        servery.export(model, name, artifacts=folder, task=task, labels=labels)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=folder, http_processes=1) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="module")
def client(declared: Server) -> Iterator[servery.Client]:
    with servery.Client(declared.url) as client:
        yield client


def test_records_are_answered_by_the_names_of_their_fields(
    client: servery.Client,
) -> None:
    old = {"age": 70, "member": True}

    assert client.predict("ages", old).label == "old"
    assert client.predict("ages", {"record": old}).label == "old"
    rows = np.array([[70, 1, 0], [20, 0, 1.5]])
    with pytest.raises(servery.InvalidInput, match="expected true or false"):
        client.predict("ages", rows)
    several = [{"age": age, "member": False} for age in range(100)]
    found = [each.label for each in client.predict("ages", several)]
    assert found[:50] == ["young"] * 50
    assert found[51:] == ["old"] * 49


def test_a_number_is_a_value(client: servery.Client) -> None:
    found = client.predict("prices", {"age": 7, "member": False})
    assert (found.value, found.unit, found.label) == (70, "€", None)


def test_images_have_as_many_classes_as_are_wanted(client: servery.Client) -> None:
    white = np.full((20, 30), 255, np.uint8)

    found = client.predict("lights", white)

    assert [each.label for each in found.classes] == ["bright", "grey"]
    assert found.score == found.classes[0].score > 0.9
    assert len(client.predict("lights", white, top_k=3).classes) == 3
    assert client.predict("lights", np.stack([white, white // 9]))[1].label == "dark"


def test_sounds_are_samples_or_files(client: servery.Client, tmp_path: Path) -> None:
    loud = np.sin(np.arange(800) / 5).astype(np.float32)

    labels = [each.label for each in client.predict("noises", [loud, loud / 100])]

    assert labels == ["loud", "quiet"]
    (tmp_path / "loud.wav").write_bytes(array_to_wav(loud, 8000))
    assert client.predict("noises", tmp_path / "loud.wav").label == "loud"


def test_a_mask_is_an_image_and_the_share_of_each_class(client: servery.Client) -> None:
    sky = np.zeros((8, 8), np.uint8)
    sky[:2] = 255

    found = client.predict("skies", sky)

    np.testing.assert_array_equal(np.asarray(found.image("mask")), sky // 255)
    assert [(each.label, each.score) for each in found.classes] == [
        ("night", 0.75),
        ("day", 0.25),
    ]


def test_a_model_that_draws_draws_the_same_again(client: servery.Client) -> None:
    drawn = client.generate("drawings", count=3, scale=2)
    again = client.generate("drawings", count=3, scale=2, seed=drawn.seed)
    assert [each.size for each in drawn] == [(16, 16)] * 3
    assert [each.tobytes() for each in again] == [each.tobytes() for each in drawn]


def test_pandas_goes_in_as_it_is(client: servery.Client) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [20, 70], "member": [True, False],
                              "balance": [1.5, None]})  # fmt: skip

    found = client.predict("ages", frame)

    assert [each.label for each in found] == ["young", "old"]
    assert client.predict("ages", frame.iloc[1]).label == "old"


def test_a_csv_file_is_answered_row_by_row(declared: Server, tmp_path: Path) -> None:
    table, output = tmp_path / "people.csv", tmp_path / "out.csv"
    table.write_text(
        '\ufeffid,member,age,label,note\n007,yes,70,x,"two\nlines"\n8,no,150,y,\n'
        "9,0,20,z,-\n",
        encoding="utf-8",
    )

    done = run(declared, "ages", table, "--output", output)

    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert done.returncode == 1
    assert [row["id"] for row in rows] == ["007", "8", "9"]
    assert [row["predicted_label"] for row in rows] == ["old", "", "young"]
    assert rows[0]["note"] == "two\nlines"
    assert "expected a whole number from 0 to 120, received '150'" in rows[1]["error"]
    values = run(declared, "prices", table, "--format", "csv").stdout
    assert values.splitlines()[0] == "id,member,age,label,note,value,error"
    assert '007,yes,70,x,"two\nlines",700.0,' in values


def test_a_load_test_sends_the_example_of_its_description(declared: Server) -> None:
    common = ["run", "--url", declared.url, "--duration", "1s", "--warmup", "0s"]

    chosen = CliRunner().invoke(
        loadtest, [*common, "--mix", "ages=2,lights", "--assert", "errors<=0%"]
    )
    all_ = CliRunner().invoke(loadtest, [*common, "--connections", "2"])
    unknown = CliRunner().invoke(loadtest, [*common, "--mix", "letters"])

    assert chosen.exit_code == 0, chosen.output
    assert all(each in all_.output for each in ("ages", "prices", "noises"))
    assert unknown.exit_code == 2
    assert "expected one of digits" in unknown.output


def test_a_csv_file_without_a_column_is_refused_as_a_whole(
    declared: Server, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text("age,balance\n70,1\n")

    done = run(declared, "ages", tmp_path / "people.csv")

    assert done.returncode == 1
    assert "expected the columns age, member; missing member" in done.stderr
