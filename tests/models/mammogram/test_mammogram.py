"""Findings on their way in, probabilities on their way out, by the model we ship."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.models.mammogram import endpoint as endpoint
from service.models.mammogram.endpoint import EXAMPLE, MammogramPrediction
from tests.models.predicting import Service
from training.datasets import masses as data_set

SAMPLE = Path(__file__).parents[2] / "data" / "masses_sample.csv"
WORRYING = {"age": 70, "shape": "irregular", "margin": "spiculated", "density": "low"}
HARMLESS = {"age": 30, "shape": "round", "margin": "circumscribed", "density": "low"}


@pytest.fixture(scope="module")
def mammogram(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service("mammogram", tmp_path_factory.mktemp("artifacts"))
    yield service
    service.close()


def test_the_example_in_the_documentation_works(mammogram: Service) -> None:
    response = mammogram.post(EXAMPLE)

    assert response.status_code == 200
    (answered,) = response.json()["predictions"]
    prediction = MammogramPrediction.model_validate(answered)
    assert prediction.label == "malignant"
    assert not prediction.abstain
    assert "no diagnosis" in prediction.notice


def test_the_endpoint_and_the_data_agree_on_the_words() -> None:
    for words, known in (
        (endpoint.SHAPES, data_set.SHAPES),
        (endpoint.MARGINS, data_set.MARGINS),
        (endpoint.DENSITIES, data_set.DENSITIES),
    ):
        assert words == (*known,)


def test_masses_are_answered_in_their_order(mammogram: Service) -> None:
    masses = [WORRYING, HARMLESS, HARMLESS, WORRYING, HARMLESS]

    labels = [each["label"] for each in mammogram.predict({"masses": masses})]

    assert labels == ["malignant", "benign", "benign", "malignant", "benign"]


def test_one_mass_alone_or_in_a_list_is_the_same(mammogram: Service) -> None:
    assert mammogram.predict(WORRYING) == mammogram.predict({"masses": [WORRYING]})


def test_probabilities_of_real_masses_are_neither_too_high_nor_too_low(
    mammogram: Service,
) -> None:
    data = data_set.parse(SAMPLE.read_bytes(), {})
    columns = (data.ages.tolist(), data.shapes, data.margins, data.densities)
    masses = [
        {"age": age, "shape": str(shape), "margin": str(margin), "density": str(dense)}
        for age, shape, margin, dense in zip(*columns, strict=True)
    ]

    predictions = mammogram.predict({"masses": masses})

    said = np.array([each["probability"] for each in predictions])
    assert said.mean() == pytest.approx(data.labels.mean(), abs=0.12)
    called = np.array([each["label"] == "malignant" for each in predictions])
    assert called[data.labels == 1].mean() > 0.9


def test_the_operating_point_is_the_manifests(mammogram: Service) -> None:
    constants = mammogram.manifest.constants

    (prediction,) = mammogram.predict(WORRYING)

    assert prediction["operating_point"] == {
        name: constants[name] for name in ("threshold", "sensitivity", "specificity")
    }


def test_the_label_changes_at_the_threshold_and_the_band_abstains(
    mammogram: Service,
) -> None:
    constants = mammogram.manifest.constants
    masses = [
        {"age": age, "margin": margin}
        for age in range(18, 80, 2)
        for margin in ("circumscribed", "spiculated")
    ]

    predictions = mammogram.predict({"masses": masses})

    lowest, highest = constants["abstain"]
    assert lowest < constants["threshold"] < highest
    for each in predictions:
        is_malignant = each["probability"] >= constants["threshold"]
        assert each["label"] == ("malignant" if is_malignant else "benign")
        assert each["abstain"] == (lowest <= each["probability"] <= highest)
    assert {each["abstain"] for each in predictions} == {True, False}


@pytest.mark.parametrize("field", ["age", "shape", "margin", "density"])
@pytest.mark.parametrize("unknown", ["unknown", None])
def test_omitted_null_and_unknown_are_one(
    mammogram: Service, field: str, unknown: str | None
) -> None:
    omitted = {name: value for name, value in WORRYING.items() if name != field}

    (first,) = mammogram.predict(omitted)
    (second,) = mammogram.predict(WORRYING | {field: unknown})

    assert first == second
    assert "warning" not in first


@pytest.mark.parametrize(
    "body",
    [{"masses": [{}]}, {"age": "unknown"}, {"shape": "unknown", "margin": None}],
)
def test_with_nothing_known_it_abstains_and_warns(
    mammogram: Service, body: dict[str, Any]
) -> None:
    (prediction,) = mammogram.predict(body)

    assert prediction["probability"] == pytest.approx(445 / 961, abs=1e-5)
    assert prediction["abstain"]
    assert "no finding is known" in prediction["warning"]


@pytest.mark.parametrize("age", [18, 120, 57.0])
def test_ages_at_the_ends_are_read(mammogram: Service, age: float) -> None:
    (prediction,) = mammogram.predict({"age": age})

    assert 0 < prediction["probability"] < 1


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"age": 17}, "age", "years from 18 to 120 or unknown, received '17'"),
        ({"age": 121}, "age", "received '121'"),
        ({"age": 57.5}, "age", "received '57.5'"),
        ({"age": True}, "age", "received 'True'"),
        ({"age": "57"}, "age", "received '57'"),
        ({"age": 1e999}, "age", "received 'inf'"),
        ({"shape": "square"}, "shape", "lobular, irregular or unknown, received 'sq"),
        ({"margin": 3}, "margin", "spiculated or unknown, received '3'"),
        ({"density": ""}, "density", "fat-containing or unknown, received ''"),
        ({"masses": [WORRYING, {"shape": "x"}]}, "masses.1.shape", "received 'x'"),
        ({"masses": []}, "masses", "at least 1 item"),
        ({"masses": None}, "body", "expected a list, received null"),
        ({}, "body", "or masses alone; received nothing"),
        ({"age": 57, "masses": [WORRYING]}, "body", "received age, masses"),
        ({"assessment": 5}, "assessment", "not permitted"),
    ],
)
def test_bad_input_is_told_which_field_what_was_expected_and_what_came(
    mammogram: Service, body: Any, field: str, said: str
) -> None:
    if body == {"age": float("inf")}:
        response = mammogram.post(content=b'{"age": 1e999}')
        assert response.status_code == 422
        error = response.json()
    else:
        error = mammogram.refuse(body)

    assert field in [each["field"] for each in error["details"]]
    assert said in error["error"]


def test_more_masses_than_a_request_may_have_are_refused(mammogram: Service) -> None:
    response = mammogram.post({"masses": [HARMLESS] * 65})

    assert response.status_code == 413
    assert "at most 64 rows, received 65" in response.json()["error"]
