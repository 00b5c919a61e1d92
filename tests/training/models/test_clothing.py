"""The measures of drawn clothing, and the choice of a temperature."""

import json
from typing import Any

import numpy as np
import pytest

from tests.training.conftest import DATA, Sample
from training.core.split import Rows
from training.datasets.fashion_mnist import CATEGORIES
from training.models.clothing.drawing import TEMPERATURES, Goal, choose_temperature
from training.models.clothing.measures import (
    compare,
    count_covered,
    measure_diversity,
    measure_floor,
    measure_generator,
    sample_evenly,
)
from training.models.clothing.words import say_errors
from training.models.fashion_judge.judge import Judge, load_judge

LABELS = np.repeat(np.arange(10), 20)
GOAL = Goal(lowest=0.88, precision=0.85, recall=0.5)


@pytest.fixture(scope="module")
def real() -> Rows:
    with np.load(DATA / "fashion_sample.npz") as file:
        sample = Sample(file["images"], file["labels"])
    order = np.argsort(sample.labels, kind="stable")
    return Rows(sample.images[order], sample.labels[order])


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


@pytest.fixture(scope="module")
def against_itself(judge: Judge, real: Rows) -> dict[str, Any]:
    return compare(judge, real, real)


def test_diversity_is_the_share_of_real_in_each_category() -> None:
    real = Rows(np.random.default_rng(0).normal(size=(200, 6)), LABELS)
    shrunk = np.where(LABELS == 3, 0.25, np.where(LABELS == 8, 0, 1))[:, None]

    found = measure_diversity(Rows(real.inputs * shrunk + 9, LABELS), real)

    expected = np.ones(10)
    expected[3], expected[8] = 0.25, 0
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_category_is_covered_when_half_its_share_is_drawn() -> None:
    confusion = np.diag([10, 10, 10, 10])
    assert count_covered(confusion) == 4

    confusion[2] = [6, 0, 4, 0]  # asked for the third, the first came
    confusion[3] = [5, 0, 0, 5]
    assert count_covered(confusion) == 3


def test_a_sample_is_even_and_repeats_with_its_seed() -> None:
    whole = Rows(np.arange(500), np.arange(500) % 10)

    once, again = (sample_evenly(whole, 1, each=20) for _ in range(2))
    other = sample_evenly(whole, 2, each=20)

    np.testing.assert_array_equal(once.inputs, again.inputs)
    assert not np.array_equal(once.inputs, other.inputs)
    np.testing.assert_array_equal(once.labels, LABELS)
    assert len(set(once.inputs)) == 200


def test_real_clothing_compared_with_itself_is_perfect(
    against_itself: dict[str, Any],
) -> None:
    assert against_itself["images"] == against_itself["reference_images"] == 200
    assert against_itself["frechet_distance"] == 0
    assert against_itself["precision"] == against_itself["recall"] == 1
    assert against_itself["diversity"]["features"]["lowest"] == 1
    assert against_itself["diversity"]["pixels"]["mean"] == 1
    assert against_itself["categories_covered"] == 10
    accuracy = against_itself["category_accuracy"]
    assert accuracy == against_itself["real_category_accuracy"]
    assert accuracy["mean"] >= 0.88
    assert tuple(accuracy["by_category"]) == CATEGORIES


def test_what_is_measured_goes_into_a_manifest_as_it_is(
    against_itself: dict[str, Any],
) -> None:
    assert json.loads(json.dumps(against_itself)) == against_itself


def test_one_picture_for_each_category_is_accurate_and_not_diverse(
    judge: Judge, real: Rows
) -> None:
    judged = judge.probabilities(real.inputs)
    best = [20 * c + judged[20 * c : 20 * c + 20, c].argmax() for c in range(10)]
    drawn = Rows(np.repeat(real.inputs[best], 20, axis=0), LABELS)

    found = compare(judge, drawn, real)

    assert found["category_accuracy"]["lowest"] == 1
    assert found["diversity"]["features"]["mean"] == 0
    assert found["diversity"]["pixels"]["mean"] == 0
    assert found["recall"] < 0.2
    assert found["frechet_distance"] > 1


def test_drawing_what_was_not_asked_for_is_inaccurate(judge: Judge, real: Rows) -> None:
    found = compare(judge, Rows(real.inputs, 9 - real.labels), real)

    assert found["category_accuracy"]["mean"] < 0.1
    assert found["frechet_distance"] == 0  # which is why accuracy is measured too


def test_noise_is_far_from_clothing(judge: Judge, real: Rows) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 28, 28), np.uint8)

    found = compare(judge, Rows(noise, LABELS), real)

    assert found["categories_covered"] < 5
    assert found["coverage"] < 0.2
    assert found["frechet_distance"] > 5


def test_a_manifest_names_the_judge_and_the_floor_takes_real_images(
    judge: Judge, real: Rows
) -> None:
    floor = measure_floor(judge, real, real, each=20)
    drawn = measure_generator(judge, real.inputs, real.labels, real)

    assert floor["judge_sha256"] == drawn["judge_sha256"] == judge.sha256
    assert floor["images"] == 200
    assert floor["frechet_distance"] < 0.01
    assert floor["coverage"] == 1
    assert set(floor) == set(drawn)


def found_at(lowest: float, distance: float) -> dict[str, float]:
    return {
        "lowest_category_accuracy": lowest,
        "frechet_distance": distance,
        "precision": 0.9,
        "recall": 0.6,
    }


def test_of_good_temperatures_the_one_nearest_to_real_images_is_chosen() -> None:
    def measure(temperature: float) -> dict[str, float]:
        return found_at(lowest=2 - temperature, distance=abs(temperature - 1.2))

    chosen, tried = choose_temperature(measure, GOAL)

    assert chosen == 1.1  # at 1.2, the category that fares worst is missed too often
    assert list(tried) == [str(each) for each in TEMPERATURES]


def test_if_no_temperature_is_good_the_nearest_of_all_is_chosen() -> None:
    chosen, _ = choose_temperature(lambda t: found_at(0.5, abs(t - 0.9)), GOAL)

    assert chosen == 0.9


@pytest.mark.parametrize("short", ["lowest_category_accuracy", "precision", "recall"])
def test_a_goal_is_missed_by_any_of_its_figures(short: str) -> None:
    found = found_at(lowest=0.9, distance=1)

    assert GOAL.is_met(found)
    assert not GOAL.is_met(found | {short: 0.3})


def test_errors_are_said_in_plain_words(against_itself: dict[str, Any]) -> None:
    by_category = dict.fromkeys(CATEGORIES, 0.95) | {"sandal": 0.75, "bag": 1.0}
    accuracy = {"mean": 0.935, "by_category": by_category}

    said = say_errors(
        against_itself | {"category_accuracy": accuracy, "recall": 0.52},
        against_itself,
    )

    assert said.startswith("Of 100 drawings 6.5 are taken for another category")
    assert "sandal fares worst, 25.0 of 100 wrong; bag best, 0.0" in said
    assert "Of 100 real garments 52 have" in said
