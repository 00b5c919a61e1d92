"""The textbook's VAE of clothing: its loss, and how it is measured."""

import logging
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.conftest import untraced
from training.core.options import RunOptions
from training.core.split import Rows
from training.datasets import fashion_mnist
from training.datasets.idx import ImageSet
from training.models.textbook_vae import train as textbook_vae
from training.models.textbook_vae.reference import (
    ReferenceRecipe,
    TextbookVae,
    measure,
)
from training.models.textbook_vae.train import to_pixels

TINY = ReferenceRecipe(epochs=2, batch_size=50, units=16, measured_draws=2)
RNG = np.random.default_rng(4)


def test_the_loss_is_cross_entropy_and_three_times_the_divergence(
    fashion_sample: Rows,
) -> None:
    model = TextbookVae(ReferenceRecipe(units=8, blocks=1))
    pixels = to_pixels(fashion_sample).inputs

    model.compile()

    found = measure(model, pixels, draws=300)
    mean, log_variance = (out.numpy() for out in model.encoder(pixels))
    kl = 0.5 * (np.exp(log_variance) + mean**2 - 1 - log_variance).sum(axis=1).mean()
    z = mean + RNG.normal(size=mean.shape) * np.exp(log_variance / 2)
    p = 1 / (1 + np.exp(-model.decoder(z.astype(np.float32)).numpy()))
    nats = -(pixels * np.log(p) + (1 - pixels) * np.log(1 - p)).sum(axis=(1, 2)).mean()

    assert found["kl"] == pytest.approx(kl, abs=0.01)
    assert found["reconstruction"] == pytest.approx(nats, rel=0.01)
    assert found["loss"] == pytest.approx(found["reconstruction"] + 3 * kl, abs=0.03)


def test_it_is_measured_on_each_split_and_nothing_is_written(
    fashion_data: ImageSet,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Any,
) -> None:
    monkeypatch.setattr(textbook_vae, "QUICK", TINY)
    monkeypatch.setattr(textbook_vae, "VALIDATION_ROWS", 100)
    monkeypatch.setattr(textbook_vae, "make_repeatable", keras.utils.set_random_seed)
    monkeypatch.setattr(fashion_mnist, "load", lambda folder: fashion_data)
    caplog.set_level(logging.INFO)

    with untraced():
        textbook_vae.train(RunOptions(quick=True, artifacts_dir=tmp_path))

    said = [record.getMessage() for record in caplog.records]
    for name in ("train", "validation", "test"):
        assert any(line.startswith(f"{name}: ") and "'loss': " in line for line in said)
    assert not list(tmp_path.iterdir())
