"""What people have at hand, as what a model's task takes."""

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from servery.client.answers import Model, read_predictions
from servery.client.inputs import group, read_input, spread
from servery.client.requests import Options, predict
from servery.errors import InvalidInput


def model(kind: str | None, name: str = "m", **declared: Any) -> Model:
    task = {"kind": kind, **declared} if kind else None
    return Model(name, kind, 1, (1,), {"task": task, "versions": []})


IMAGES = model("image-classification")
TEXTS = model("text-classification")
TABLE = model(
    "tabular-regression", fields=[{"name": n, "kind": "number"} for n in ("a", "b")]
)
PIXELS = np.arange(12, dtype=np.uint8).reshape(3, 4)


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize(
    "pixels",
    [PIXELS, np.stack([PIXELS] * 3, axis=-1), np.stack([PIXELS] * 4, axis=-1)],
    ids=["grey", "rgb", "rgba"],
)
def test_an_array_is_the_image_that_it_holds(pixels: np.ndarray) -> None:
    item = read_input(pixels, IMAGES)

    assert item.media_type == "image/png"
    np.testing.assert_array_equal(decoded(item.value), pixels)


def test_an_array_with_one_channel_or_of_booleans_is_grey() -> None:
    assert (decoded(read_input(PIXELS[..., None], IMAGES).value) == PIXELS).all()
    is_ink = PIXELS > 5
    assert (decoded(read_input(is_ink, IMAGES).value) == is_ink * 255).all()


def test_an_array_of_floats_is_refused_for_nobody_knows_what_white_is() -> None:
    with pytest.raises(InvalidInput, match=r"uint8 from 0 to 255; received \(3, 4\)"):
        read_input(PIXELS.astype(np.float32), IMAGES)


def test_a_photo_that_was_opened_is_as_upright_as_its_file() -> None:
    image = Image.fromarray(PIXELS)
    image.getexif()[274] = 6  # turned by 90 degrees

    turned = decoded(read_input(image, IMAGES).value)

    np.testing.assert_array_equal(turned, np.rot90(PIXELS, -1))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "CMYK", "YCbCr", "F", "I;16"])
def test_a_pil_image_of_any_mode_becomes_a_file(mode: str) -> None:
    assert decoded(read_input(Image.new(mode, (4, 3)), IMAGES).value).shape[:2] == (
        3,
        4,
    )


def test_several_are_told_from_one() -> None:
    assert spread("a.png", IMAGES) is None
    assert spread({"a": 1}, TABLE) is None
    assert spread(PIXELS, IMAGES) is None
    assert len([*(spread(np.zeros((5, 28, 28), np.uint8), IMAGES) or ())]) == 5
    assert len([*(spread(np.zeros((5, 2)), TABLE) or ())]) == 5
    assert [*(spread(np.array(["a", "b"]), TEXTS) or ())] == ["a", "b"]
    assert [*group(range(5), 2)] == [[0, 1], [2, 3], [4]]


def test_the_text_of_a_model_of_texts_never_opens_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("secret")

    assert read_input(str(file), TEXTS).value == str(file)
    assert read_input(file, TEXTS).value == "secret"


@pytest.mark.parametrize("text", ["no such\0file", "x" * 5000, "Not a file."])
def test_what_names_no_file_is_a_text_where_the_task_is_not_known(text: str) -> None:
    assert read_input(text, model(None)).value == text


def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    for given in (tmp_path / "none.png", str(tmp_path), "x\0y", "x" * 5000):
        with pytest.raises(InvalidInput, match="expected a file that can be read"):
            read_input(given, IMAGES)


def test_the_columns_of_an_array_are_the_fields_in_their_order() -> None:
    assert read_input(np.array([1.5, 2]), TABLE).value == {"a": 1.5, "b": 2.0}
    with pytest.raises(InvalidInput, match=r"expected an array \(2,\), a number for"):
        read_input(np.zeros(3), TABLE)


def test_samples_become_a_wav_file_at_the_rate_that_is_declared() -> None:
    sound = np.array([0, 0.5, -1, 2], np.float32)

    item = read_input(sound, model("audio-classification", rate=8000))

    with wave.open(io.BytesIO(item.value)) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        samples = np.frombuffer(file.readframes(4), "<i2")
    assert samples.tolist() == [0, 16384, -32767, 32767]


@pytest.mark.parametrize(
    ("asked", "given", "body"),
    [
        (TABLE, [{"a": 1}], b'{"record":{"a":1}}'),
        (TABLE, [{"a": 1}, {"a": 2}], b'{"records":[{"a":1},{"a":2}]}'),
        (TABLE, [{"record": {"a": 1}}], b'{"record":{"a":1}}'),
        (
            TABLE,
            [{"a": np.float32(1.5), "b": np.nan}],
            b'{"record":{"a":1.5,"b":null}}',
        ),
        (model(None, "party"), [{"crime": "yea"}], b'{"votes":{"crime":"yea"}}'),
        (model(None, "party"), [{"votes": {}}], b'{"votes":{}}'),
        (model(None, "party"), [{}, {}], b'{"members":[{},{}]}'),
        (model(None, "mammogram"), [{"age": 57}], b'{"age":57}'),
        (model(None, "mammogram"), [{}, {}], b'{"masses":[{},{}]}'),
        (TEXTS, ["a"], b'{"text":"a"}'),
        (TEXTS, ["a", "b"], b'{"texts":["a","b"]}'),
        (IMAGES, [{"image": "AAAA"}], b'{"image":"AAAA"}'),
    ],
)
def test_a_body_is_the_one_that_the_endpoint_reads(
    asked: Model, given: list[Any], body: bytes
) -> None:
    assert predict(asked, given, Options()).content == body


def test_names_and_parameters_are_quoted() -> None:
    call = predict(model("text-classification", "a/b c?é%"), ["x"], Options(version=2))
    assert call.path == "/v1/predict/a%2Fb%20c%3F%C3%A9%25?version=2"


def test_what_json_cannot_say_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidInput, match="expected what JSON can say"):
        predict(TABLE, [{"a": object()}], Options())


def test_a_prediction_is_an_object_and_a_dict() -> None:
    raw = {"digit": 7, "confidence": 0.9, "probabilities": [0.1, 0.9]}
    answer = {"model": "digits", "version": 3, "predictions": [raw]}

    (found,) = read_predictions(answer, top_k=1)

    assert (found.label, found.score, found.version) == ("7", 0.9, 3)
    assert (found.digit, found["digit"], dict(found)) == (7, 7, raw)
    assert [each.label for each in found.classes] == ["1"]
    assert str(found) == "7 (90.00 %)"
    with pytest.raises(AttributeError, match="has no 'diget'"):
        found.diget  # noqa: B018
    with pytest.raises(AttributeError):
        found.label = "8"  # type: ignore[misc]


class Series(dict[str, Any]):
    """As much of pandas's as is looked at, where pandas is not installed."""

    __module__ = "pandas.core.series"


def test_a_row_of_pandas_is_a_record() -> None:
    assert read_input(Series(a=1), TABLE).value == {"a": 1}
