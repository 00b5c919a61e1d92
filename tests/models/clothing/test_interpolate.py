"""A garment through the bottleneck and back, and the way from one to another."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from service.models.clothing import interpolate
from service.models.clothing.interpolate import InterpolateResponse
from service.models.clothing.reconstruct import ReconstructResponse
from service.models.clothing.vocabulary import CATEGORIES, EXAMPLE_IMAGE
from service.web.imaging.encode import to_png
from tests.generators import DIMS, read_latents, read_weights
from tests.models.predicting import Application, accepted, read_png, refused

RECONSTRUCT = "/v1/reconstruct/clothing"
INTERPOLATE = "/v1/interpolate/clothing"
ORIGIN = [0.0] * DIMS
SOME = [0.5, -1.0, 2.25, 0.0, 3.0, -2.5]


def garments(application: Application, **wanted: Any) -> list[dict[str, Any]]:
    """Images that were generated, with all that is known of them."""
    response = application.ask("/v1/generate/clothing", json=wanted)
    images: list[dict[str, Any]] = accepted(response)["images"]
    return images


def test_what_was_drawn_is_recognised_and_drawn_again(
    application: Application,
) -> None:
    sent = garments(application, seed=4, count=10)
    body = {"images": [each["image"] for each in sent]}
    facts = accepted(application.ask(RECONSTRUCT, json=body))

    assert ReconstructResponse.model_validate(facts).model == "clothing_vae"
    for given, found in zip(sent, facts["reconstructions"], strict=True):
        assert found["category"] == given["category"]
        assert found["latent"] == given["latent"]
        assert found["prepared"] == given["image"]
        assert found["reconstruction"] == given["image"]
        assert found["probability"] == max(found["probabilities"].values())
        assert list(found["probabilities"]) == list(CATEGORIES)
        assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_all_ways_to_send_a_garment_give_the_same_answer(
    application: Application,
) -> None:
    data = base64.b64decode(EXAMPLE_IMAGE)
    requests: list[dict[str, Any]] = [
        {"files": {"file": data}},
        {"content": data, "headers": {"content-type": "image/png"}},
        {"json": {"image": EXAMPLE_IMAGE}},
        {"json": {"images": [EXAMPLE_IMAGE]}},
    ]
    answers = [accepted(application.ask(RECONSTRUCT, **each)) for each in requests]

    assert all(each == answers[0] for each in answers)
    assert answers[0]["reconstructions"][0]["prepared"]


def test_a_photo_is_prepared_and_the_caller_sees_how(application: Application) -> None:
    garment = read_png(EXAMPLE_IMAGE)
    photo = Image.new("RGB", (400, 500), (250, 250, 250))
    photo.paste(Image.fromarray(~garment).resize((280, 280), 0), (60, 100))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=95)
    response = application.ask(RECONSTRUCT, files={"file": file.getvalue()})

    (found,) = accepted(response)["reconstructions"]
    prepared = read_png(found["prepared"])
    assert np.corrcoef(prepared.ravel(), garment.ravel())[0, 1] > 0.97


def test_the_category_and_the_scale_may_be_chosen(application: Application) -> None:
    path = f"{RECONSTRUCT}?category=bag&scale=4"
    response = application.ask(path, json={"image": EXAMPLE_IMAGE})

    (found,) = accepted(response)["reconstructions"]
    drawn = read_png(found["reconstruction"])
    assert found["category"] == "bag"
    assert found["probability"] == found["probabilities"]["bag"]
    assert drawn.shape == (112, 112)
    weights = read_weights(drawn[None, ::4, ::4])[0]
    assert CATEGORIES[int(weights.argmax())] == "bag"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("category=sock", "expected one of t-shirt, trousers"),
        ("scale=17", "less than or equal to 16"),
        ("scale=big", "valid integer"),
    ],
)
def test_a_query_out_of_bounds_is_refused(
    application: Application, query: str, said: str
) -> None:
    response = application.ask(f"{RECONSTRUCT}?{query}", json={"image": EXAMPLE_IMAGE})

    assert said in refused(response, 422, "invalid_input")


def test_a_picture_of_nothing_is_refused_and_named(application: Application) -> None:
    blank = base64.b64encode(to_png(np.zeros((60, 60), np.uint8))).decode()
    response = application.ask(RECONSTRUCT, json={"images": [EXAMPLE_IMAGE, blank]})

    assert "garment that stands out" in refused(response, 422, "invalid_image")
    assert response.json()["details"][0]["field"] == "images.1"


def walk(application: Application, **wanted: Any) -> dict[str, Any]:
    return accepted(application.ask(INTERPOLATE, json=wanted))


def test_the_example_in_the_documentation_works(application: Application) -> None:
    facts = walk(application, **interpolate.EXAMPLE)

    answer = InterpolateResponse.model_validate(facts)
    assert len(answer.frames) == interpolate.EXAMPLE["steps"]
    assert np.array_equal(read_png(facts["from"]["prepared"]), read_png(EXAMPLE_IMAGE))


def test_latents_and_weights_change_in_a_straight_line(
    application: Application,
) -> None:
    first = {"latent": ORIGIN, "category": "dress"}
    last = {"latent": SOME, "category": "coat"}
    facts = walk(application, **{"from": first, "to": last}, steps=5)
    images = np.stack([read_png(frame["image"]) for frame in facts["frames"]])

    assert facts["from"] == first
    assert facts["to"] == last
    for index, frame in enumerate(facts["frames"]):
        share = index / 4
        assert frame["position"] == share
        assert frame["latent"] == pytest.approx([share * v for v in SOME], abs=1 / 64)
        assert frame["latent"] == read_latents(images)[index].tolist()
        weights = {"dress": 1 - share, "coat": share}
        assert frame["categories"] == {k: v for k, v in weights.items() if v}
        drawn = dict(zip(CATEGORIES, read_weights(images)[index], strict=True))
        assert {k: v for k, v in drawn.items() if v} == pytest.approx(
            frame["categories"], abs=1 / 255
        )


def test_images_are_encoded_and_their_category_may_be_chosen(
    application: Application,
) -> None:
    bag, coat = garments(application, seed=1, category="bag", count=1) + garments(
        application, seed=2, category="coat", count=1
    )
    ends = {
        "from": {"image": bag["image"]},
        "to": {"image": coat["image"], "category": "dress"},
    }
    facts = walk(application, **ends, steps=2)

    assert facts["from"] == {
        "category": "bag",
        "latent": bag["latent"],
        "prepared": bag["image"],
    }
    assert facts["to"]["category"] == "dress"
    assert facts["to"]["latent"] == coat["latent"]
    assert facts["frames"][0]["image"] == bag["image"]


def test_an_image_and_a_latent_may_be_mixed(application: Application) -> None:
    latent = {"latent": SOME, "category": "coat"}
    for ends in (
        {"from": {"image": EXAMPLE_IMAGE}, "to": latent},
        {"from": latent, "to": {"image": EXAMPLE_IMAGE}},
    ):
        facts = walk(application, **ends)
        assert len(facts["frames"]) == 8
        assert {"prepared" in facts["from"], "prepared" in facts["to"]} == {True, False}


ENDS = {
    "from": {"latent": ORIGIN, "category": "dress"},
    "to": {"latent": SOME, "category": "coat"},
}


def test_the_way_is_shown_as_an_animation(application: Application) -> None:
    facts = walk(application, **ENDS, steps=6, scale=2)
    response = application.ask(
        INTERPOLATE,
        json=ENDS | {"steps": 6, "scale": 2},
        headers={"accept": "image/gif"},
    )
    gif = Image.open(io.BytesIO(response.content))

    assert response.headers["content-type"] == "image/gif"
    assert (gif.size, gif.info["loop"]) == ((56, 56), 0)
    assert sum(1 for _ in ImageSequence.Iterator(gif)) == 10
    for index, frame in enumerate(facts["frames"]):
        gif.seek(index)
        assert np.array_equal(np.asarray(gif.convert("L")), read_png(frame["image"]))


def test_the_way_is_shown_as_a_strip(application: Application) -> None:
    response = application.ask(
        INTERPOLATE, json=ENDS | {"steps": 6}, headers={"accept": "image/png"}
    )

    assert response.headers["x-model"] == "clothing_vae"
    assert read_png(response.content).shape == (28, 6 * 29 - 1)


DRESS = ENDS["from"]


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"to": DRESS}, "from", "Field required"),
        ({"from": {}, "to": DRESS}, "from", "either image or latent, received neither"),
        (
            {"from": DRESS | {"image": EXAMPLE_IMAGE}, "to": DRESS},
            "from",
            "received both",
        ),
        ({"from": DRESS, "to": {"latent": ORIGIN}}, "to", "category with the latent"),
        (
            {"from": DRESS, "to": {"latent": [0.0] * 5, "category": "bag"}},
            "to.latent",
            "expected 6 numbers, received 5",
        ),
        (
            {"from": {"latent": [], "category": "bag"}, "to": DRESS},
            "from.latent",
            "expected 6 numbers, received 0",
        ),
        (
            {"from": {"latent": [4.5, *ORIGIN[1:]], "category": "bag"}, "to": DRESS},
            "from.latent.0",
            "less than or equal to 4",
        ),
        (
            {"from": DRESS | {"category": "sock"}, "to": DRESS},
            "from.category",
            "expected one of t-shirt",
        ),
        ({"from": {"image": ""}, "to": DRESS}, "from.image", "received 0 bytes"),
        ({"from": DRESS, "to": {"image": "aGVsbG8="}}, "to.image", "JPEG"),
        (ENDS | {"steps": 1}, "steps", "greater than or equal to 2"),
        (ENDS | {"steps": 65}, "steps", "less than or equal to 64"),
        (ENDS | {"scale": 0}, "scale", "greater than or equal to 1"),
        (ENDS | {"pace": 2}, "pace", "not permitted"),
    ],
)
def test_bad_ends_are_told_which_field_and_what_was_expected(
    application: Application, body: dict[str, Any], field: str, said: str
) -> None:
    response = application.ask(INTERPOLATE, json=body)

    assert response.status_code == 422, response.text
    assert response.json()["details"][0]["field"] == field
    assert said in response.json()["error"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_latent_that_is_no_number_is_refused(
    application: Application, number: str
) -> None:
    latent = ", ".join([number, *["0"] * (DIMS - 1)])
    end = f'{{"latent": [{latent}], "category": "bag"}}'
    response = application.ask(
        INTERPOLATE,
        content=f'{{"from": {end}, "to": {end}}}'.encode(),
        headers={"content-type": "application/json"},
    )

    refused(response, 422, "invalid_input")
    assert response.json()["details"][0]["field"] == "from.latent.0"


def test_another_kind_of_answer_is_not_acceptable(application: Application) -> None:
    response = application.ask(
        INTERPOLATE, json=ENDS, headers={"accept": "application/zip"}
    )

    said = refused(response, 406, "not_acceptable")
    assert "application/json or image/gif or image/png" in said
