"""Clothing on request, by generators whose pictures tell what they were drawn from."""

import io
import json
import zipfile
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.models.clothing import generate as endpoint
from service.models.clothing.generate import GenerateResponse
from service.models.clothing.latents import settle
from service.models.clothing.vocabulary import CATEGORIES
from service.tasks.generation import draw
from tests.generators import (
    DIMS,
    LINE,
    TEMPERATURE,
    read_latents,
    read_weights,
)
from tests.models.predicting import Application, accepted, read_png, refused
from training.datasets import fashion_mnist

GENERATE = "/v1/generate/clothing"


def generate(application: Application, **wanted: Any) -> dict[str, Any]:
    return accepted(application.ask(GENERATE, json=wanted))


def drawn(facts: dict[str, Any]) -> np.ndarray:
    return np.stack([read_png(each["image"]) for each in facts["images"]])


def test_the_categories_are_those_that_the_generators_are_trained_on() -> None:
    assert CATEGORIES == fashion_mnist.CATEGORIES


def test_the_example_in_the_documentation_works(application: Application) -> None:
    response = application.ask(GENERATE, json=endpoint.EXAMPLE)

    facts = GenerateResponse.model_validate(accepted(response))
    assert facts.seed == endpoint.EXAMPLE["seed"]
    assert [each.category for each in facts.images] == ["sandal"] * 4


@pytest.mark.parametrize(
    "request_",
    [{}, {"json": {}}, {"headers": {"content-type": "application/json"}}],
    ids=["nothing", "empty object", "a content type alone"],
)
def test_who_asks_for_nothing_gets_one_of_each(
    application: Application, request_: dict[str, Any]
) -> None:
    facts = accepted(application.ask(GENERATE, **request_))

    assert facts["model"] == "clothing_vae"
    assert facts["generator"] == "vae"
    assert facts["version"] == 1
    assert facts["temperature"] == TEMPERATURE
    assert 0 <= facts["seed"] < 2**32
    assert [each["category"] for each in facts["images"]] == list(CATEGORIES)


def test_every_picture_is_of_its_category_and_of_its_latent(
    application: Application,
) -> None:
    facts = generate(application, count=23, seed=5)
    images = drawn(facts)

    assert images.shape == (23, 28, 28)
    weights = read_weights(images)
    for index, each in enumerate(facts["images"]):
        assert each["category"] == CATEGORIES[index % 10]
        assert weights[index].tolist() == np.eye(10)[index % 10].tolist()
        assert each["latent"] == read_latents(images)[index].tolist()
    expected = settle(draw(5, 23, DIMS) * TEMPERATURE)
    assert np.array_equal(read_latents(images), expected)


def test_a_seed_that_was_drawn_draws_the_same_again(application: Application) -> None:
    first, other = generate(application, count=2), generate(application, count=2)

    assert first["seed"] != other["seed"]
    assert generate(application, count=2, seed=first["seed"]) == first


def test_fewer_images_are_the_first_of_more(application: Application) -> None:
    many = generate(application, category="bag", count=16, seed=9)["images"]

    for count in (1, 7):
        few = generate(application, category="bag", count=count, seed=9)["images"]
        assert few == many[:count]


def test_either_generator_draws_from_the_same_latents(application: Application) -> None:
    vae, gan = (generate(application, generator=g, seed=3) for g in ("vae", "gan"))

    assert gan["model"] == "clothing_gan"
    assert [e["latent"] for e in vae["images"]] == [e["latent"] for e in gan["images"]]
    assert drawn(vae)[0, 20, LINE] == 254
    assert drawn(gan)[0, 20, LINE] == 128


def test_the_temperature_is_the_caller_s(application: Application) -> None:
    cold = generate(application, temperature=0, count=3)

    assert cold["temperature"] == 0
    assert all(not any(each["latent"]) for each in cold["images"])


@pytest.mark.parametrize("scale", [1, 3, 16])
def test_the_scale_enlarges_the_pictures_and_changes_nothing_else(
    application: Application, scale: int
) -> None:
    small = generate(application, seed=1, count=2)
    large = generate(application, seed=1, count=2, scale=scale)

    assert drawn(large).shape == (2, 28 * scale, 28 * scale)
    assert np.array_equal(drawn(large)[:, ::scale, ::scale], drawn(small))


def sheet(application: Application, **wanted: Any) -> httpx.Response:
    response = application.ask(GENERATE, json=wanted, headers={"accept": "image/png"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    return response


def test_a_sheet_of_all_categories_has_a_row_for_each(application: Application) -> None:
    response = sheet(application, count=30, seed=2, generator="gan")
    tiles = drawn(generate(application, count=30, seed=2, generator="gan"))
    picture = read_png(response.content)

    assert picture.shape == (10 * 29 - 1, 3 * 29 - 1)
    for index, tile in enumerate(tiles):
        column, row = divmod(index, 10)
        place = picture[29 * row : 29 * row + 28, 29 * column : 29 * column + 28]
        assert np.array_equal(place, tile)
    assert response.headers["x-seed"] == "2"
    assert response.headers["x-generator"] == "gan"
    assert response.headers["x-model"] == "clothing_gan"
    assert response.headers["x-version"] == "1"
    assert response.headers["x-temperature"] == str(TEMPERATURE)
    assert response.headers["vary"] == "Accept"


def test_a_sheet_of_one_category_is_nearly_square(application: Application) -> None:
    picture = read_png(sheet(application, count=12, category="coat", scale=2).content)

    assert picture.shape == (2 * (3 * 29 - 1), 2 * (4 * 29 - 1))


def test_a_zip_holds_every_picture_and_how_to_draw_it_again(
    application: Application,
) -> None:
    wanted = {"count": 12, "seed": 8, "scale": 2}
    response = application.ask(
        GENERATE, json=wanted, headers={"accept": "application/zip"}
    )
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["x-seed"] == "8"
    assert 'filename="clothing-8.zip"' in response.headers["content-disposition"]
    facts = generate(application, **wanted)
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        names = archive.namelist()
        index = json.loads(archive.read("clothing.json"))
        files = [read_png(archive.read(name)) for name in names[1:]]
    assert names[1:3] == ["000-t-shirt.png", "001-trousers.png"]
    assert names[12] == "011-trousers.png"
    assert np.array_equal(np.stack(files), drawn(facts))
    assert [e["latent"] for e in index["images"]] == [
        e["latent"] for e in facts["images"]
    ]
    assert {key: index[key] for key in ("seed", "generator", "temperature")} == {
        key: facts[key] for key in ("seed", "generator", "temperature")
    }


def test_another_kind_of_answer_is_not_acceptable(application: Application) -> None:
    response = application.ask(GENERATE, headers={"accept": "image/jpeg"})

    said = refused(response, 406, "not_acceptable")
    assert "expected application/json or image/png or application/zip" in said


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"category": "sock"}, "category", "expected one of t-shirt, trousers"),
        ({"category": "sock"}, "category", "received 'sock'"),
        ({"category": 5}, "category", "received '5'"),
        ({"generator": "vqvae"}, "generator", "'vae' or 'gan'"),
        ({"count": 0}, "count", "greater than or equal to 1"),
        ({"count": 257}, "count", "less than or equal to 256"),
        ({"count": "3"}, "count", "valid integer"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"seed": 2**32}, "seed", "less than or equal to 4294967295"),
        ({"seed": 1.5}, "seed", "integer"),
        ({"temperature": 1.6}, "temperature", "less than or equal to 1.5"),
        ({"temperature": -0.1}, "temperature", "greater than or equal to 0"),
        ({"temperature": "hot"}, "temperature", "valid number"),
        ({"scale": 17}, "scale", "less than or equal to 16"),
        ({"colour": "red"}, "colour", "not permitted"),
    ],
)
def test_bad_wishes_are_told_which_field_and_what_was_expected(
    application: Application, body: dict[str, Any], field: str, said: str
) -> None:
    response = application.ask(GENERATE, json=body)

    assert said in refused(response, 422, "invalid_input")
    assert response.json()["details"][0]["field"] == field


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed_body"),
        (b'{"temperature": NaN}', "application/json", 422, "invalid_input"),
        (b"count=3", "application/x-www-form-urlencoded", 415, None),
        (b"{}", "", 415, None),
    ],
)
def test_bodies_that_are_no_json_are_refused(
    application: Application, content: bytes, kind: str, status: int, code: str | None
) -> None:
    headers = {"content-type": kind} if kind else {}
    response = application.ask(GENERATE, content=content, headers=headers)
    refused(response, status, code or "unsupported_media_type")


def test_more_images_than_a_request_may_have_are_refused(
    application: Application,
) -> None:
    response = application.ask(GENERATE, json={"count": 65})  # 64 in these tests

    assert "at most 64 rows, received 65" in refused(response, 413, "too_many_rows")


def test_a_version_that_is_not_there_is_not_found(application: Application) -> None:
    response = application.ask(f"{GENERATE}?version=3", json={})

    assert "there are: 1" in refused(response, 404, "version_not_found")
    assert accepted(application.ask(f"{GENERATE}?version=1", json={}))["version"] == 1


def test_what_was_drawn_is_counted_by_category(application: Application) -> None:
    def count(label: str) -> float:
        text = application.ask("/metrics", "GET").text
        families = text_string_to_metric_families(text)
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name == "servery_predictions_total"
            and sample.labels == {"model": "clothing_gan", "label": label}
        )

    before = count("dress"), count("bag")
    generate(application, generator="gan", category="dress", count=5)
    assert (count("dress"), count("bag")) == (before[0] + 5, before[1])


def test_a_generator_that_is_not_there_says_how_to_get_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    empty = Application(tmp_path_factory.mktemp("empty"))
    try:
        for name in ("vae", "gan"):
            response = empty.ask(GENERATE, json={"generator": name})
            said = refused(response, 503, "model_not_ready")
            assert f"python -m training clothing_{name}" in said
        models = accepted(empty.ask("/v1/models", "GET"))["models"]
        assert {"clothing_vae", "clothing_gan"} <= {each["name"] for each in models}
        for path in ("reconstruct", "interpolate"):
            said = refused(empty.ask(f"/v1/{path}/clothing"), 503, "model_not_ready")
            assert "python -m training clothing_vae" in said
    finally:
        empty.close()
