"""Examples with their right answers are asked of a version before it is published."""

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import servery
from service.cli import cli

AREA = servery.TableField(name="area", kind="number", unit="m²", minimum=1)
LARGE = {"record": {"area": 50}}

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # in Keras, as it saves
)


def weighed(model: Any, *weights: Any) -> Any:
    model.set_weights([np.array(each, np.float32) for each in weights])
    return model


def by_area() -> Any:
    """A thousand for a square metre."""
    row = keras.Input((1,), name="row")
    dense = keras.layers.Dense(1, name="price")(row)
    return weighed(keras.Model(row, dense), [[1000]], [0])


def by_brightness() -> Any:
    image = keras.Input((4, 4, 1), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    dense = keras.layers.Dense(2, "softmax", name="out")(mean)
    return weighed(keras.Model(image, dense), [[-0.1, 0.1]], [12.75, -12.75])


def by_latents() -> Any:
    latents = keras.Input((4,), name="latents")
    shades = keras.layers.Dense(16, activation="sigmoid")(latents)
    return keras.Model(latents, keras.layers.Reshape((4, 4), name="image")(shades))


def prices(request: dict[str, Any], **answer: Any) -> servery.TabularRegression:
    example = servery.Example(title="A flat", request=request, answer=answer)
    return servery.TabularRegression(fields=(AREA,), unit="EUR", examples=(example,))


def white() -> str:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    "answer",
    [{}, {"value": 50_000}, {"value": 50_001, "unit": "EUR"}],
    ids=["none", "exact", "as near as outputs must be"],
)
def test_a_right_example_is_published(answer: Any, tmp_path: Path) -> None:
    task = prices(LARGE, **answer)
    assert servery.export(by_area(), "flats", artifacts=tmp_path, task=task).is_dir()


@pytest.mark.parametrize(
    ("request_", "answer", "said"),
    [
        (
            LARGE,
            {"value": 50_100},
            r"answer.value: expected '50100', received '50000.0",
        ),
        (LARGE, {"unit": "USD"}, "answer.unit: expected 'USD', received 'EUR'"),
        (LARGE, {"label": "dear"}, "answer.label: expected one of value, unit"),
        ({"record": {"area": 0}}, {}, "area: expected a number of m² of at least 1"),
        (
            {"rows": []},
            {},
            "expected a request that is answered; received an error: .*rows",
        ),
    ],
    ids=["value", "unit", "field", "bounds", "body"],
)
def test_a_wrong_example_is_refused_and_leaves_nothing(
    request_: Any, answer: Any, said: str, tmp_path: Path
) -> None:
    with pytest.raises(servery.ExportRefused, match=said) as caught:
        servery.export(
            by_area(), "flats", artifacts=tmp_path, task=prices(request_, **answer)
        )
    assert "task.examples.0 (A flat)" in str(caught.value)
    assert [*tmp_path.iterdir()] == []


def test_pictures_are_decoded_for_it_and_drawings_drawn(tmp_path: Path) -> None:
    kind: dict[str, Any] = {
        "kind": "image-classification", "size": [4, 4], "colour": "grey",
        "examples": [{
            "title": "White", "request": {"image": white()},
            "answer": {"label": "bright", "classes": [{"label": "bright"}, {}]},
        }],
    }  # fmt: skip
    labels = ["dark", "bright"]
    servery.export(by_brightness(), "l", artifacts=tmp_path, task=kind, labels=labels)
    kind["examples"][0]["answer"]["classes"] = [{"label": "dark"}, {}]
    with pytest.raises(
        servery.ExportRefused, match=r"answer.classes.0.label: expected"
    ):
        servery.export(
            by_brightness(), "l", artifacts=tmp_path, task=kind, labels=labels
        )

    drawing = servery.Example(title="Two", request={"count": 2, "seed": 1})
    task = servery.ImageGeneration(examples=(drawing,))
    servery.export(by_latents(), "drawings", artifacts=tmp_path, task=task)


def test_it_works_where_an_event_loop_runs_as_in_a_notebook(tmp_path: Path) -> None:
    async def cell() -> Path:
        task = prices(LARGE, value=50_000)
        return servery.export(by_area(), "flats", artifacts=tmp_path, task=task)

    assert asyncio.run(cell()).is_dir()


def test_servery_add_asks_them_too(tmp_path: Path) -> None:
    by_area().save(tmp_path / "flats.keras")
    task = prices(LARGE, value=1).model_dump(mode="json")
    (tmp_path / "task.json").write_text(json.dumps(task))

    words = [
        "add",
        str(tmp_path / "flats.keras"),
        "--task",
        str(tmp_path / "task.json"),
    ]
    done = CliRunner().invoke(cli, [*words, "--artifacts", str(tmp_path / "artifacts")])

    assert done.exit_code == 1
    assert "answer.value: expected '1', received '50000.0'" in done.output
