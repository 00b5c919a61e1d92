"""The discriminator of both clothing generators, and what it tells them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from training.core.split import Rows
from training.models.clothing.adversary import (
    Adversary,
    AdversaryRecipe,
    build_discriminator,
)
from training.models.clothing.decoder import one_hot

TINY = AdversaryRecipe(widths=(4, 6, 6, 8), features=6, rate=2e-3)
FIRST, LATER = np.int64(0), np.int64(1)


@pytest.fixture
def adversary() -> Adversary:
    tf.keras.utils.set_random_seed(1)
    return Adversary(TINY)


@pytest.fixture(scope="module")
def pairs(fashion_sample: Rows) -> tuple[Any, Any, Any]:
    """Real images, noise in the place of drawn ones, and the categories of both."""
    real = fashion_sample.inputs[::10] / np.float32(255)
    noise = np.random.default_rng(0).random(real.shape, np.float32)
    category = one_hot(fashion_sample.labels[::10])
    return tuple(map(tf.constant, (real, noise, category)))


def test_it_learns_to_tell_noise_from_clothes(
    adversary: Adversary, pairs: tuple[Any, Any, Any]
) -> None:
    told = [adversary.meet(LATER, *pairs)[1] for _ in range(30)]

    first, last = (float(each["discriminator"]) for each in (told[0], told[-1]))
    assert first == pytest.approx(np.log(2), abs=0.1)
    assert last < 0.5 * first
    assert float(told[-1]["generator"]) > float(told[0]["generator"])


@pytest.mark.parametrize("named", [0.0, 0.5])
def test_what_it_tells_the_generator_is_the_slope_of_the_generators_loss(
    named: float, pairs: tuple[Any, Any, Any]
) -> None:
    adversary = Adversary(replace(TINY, named=named))
    real, noise, category = pairs
    with tf.GradientTape() as tape:
        tape.watch(noise)
        real_score, _ = adversary.network([real, category])
        score, logits = adversary.network([noise, category])
        nats = tf.nn.softmax_cross_entropy_with_logits(category, logits)
        paid = tf.reduce_mean(tf.nn.softplus(real_score - score))
        paid += named * tf.reduce_mean(nats)
    expected = tape.gradient(paid, noise)

    slope, told = adversary.meet(LATER, *pairs)

    np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-8)
    told_paid = told["generator"] + named * told["named_drawn"]
    assert float(told_paid) == pytest.approx(float(paid), rel=1e-5)


def test_it_learns_to_name_the_category_of_real_images_if_asked(
    pairs: tuple[Any, Any, Any],
) -> None:
    def learn(naming: float) -> tuple[float, float]:
        tf.keras.utils.set_random_seed(1)
        adversary = Adversary(replace(TINY, naming=naming))
        told = [adversary.meet(LATER, *pairs)[1] for _ in range(30)]
        return float(told[0]["named_real"]), float(told[-1]["named_real"])

    first, last = learn(1.0)
    assert first == pytest.approx(np.log(10), abs=0.2)
    assert last < 0.9 * first
    assert last < learn(0.0)[1]


def test_the_penalty_is_due_every_few_steps_and_makes_slopes_gentle(
    pairs: tuple[Any, Any, Any],
) -> None:
    def learn(number: Any) -> float:
        tf.keras.utils.set_random_seed(1)
        adversary = Adversary(TINY)
        for _ in range(30):
            adversary.meet(number, *pairs)
        return _steepness(adversary, pairs)

    assert learn(FIRST) < 0.5 * learn(LATER)


def test_it_asks_whether_the_image_is_of_the_category() -> None:
    discriminator = build_discriminator(TINY.widths, TINY.features)
    images = np.random.default_rng(0).random((10, 28, 28)).astype("f")

    score, logits = discriminator([images, one_hot(np.arange(10))])
    other, same = discriminator([images, one_hot(np.arange(10)[::-1])])

    assert score.shape == (10, 1)
    assert np.abs(score - other).min() > 0
    np.testing.assert_array_equal(logits, same)
    fits = np.diag(logits) - np.diag(np.fliplr(logits))
    np.testing.assert_allclose((score - other)[:, 0], fits, rtol=1e-3, atol=1e-6)


def _steepness(adversary: Adversary, pairs: tuple[Any, Any, Any]) -> float:
    real, _, category = pairs
    with tf.GradientTape() as tape:
        tape.watch(real)
        score = tf.reduce_sum(adversary.network([real, category])[0])
    return float(tf.norm(tape.gradient(score, real)))
