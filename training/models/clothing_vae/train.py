"""Train the clothing VAE: Fashion-MNIST → artifacts/clothing_vae/<version>."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tensorflow as tf

from service.contract.manifest import Training
from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.export import Function, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions
from training.core.split import Rows, Splits, split_images
from training.datasets import fashion_mnist
from training.models.clothing.drawing import (
    Goal,
    build_decode,
    choose_temperature,
    draw_evenly,
    measure_temperature,
)
from training.models.clothing.fitting import (
    SETTLING_ROWS,
    describe_recipe,
    fit,
    settle,
    settle_by,
)
from training.models.clothing.measures import measure_floor, measure_generator
from training.models.clothing_vae.card import describe, draw_reports
from training.models.clothing_vae.learner import AdversarialVae, Recipe
from training.models.clothing_vae.measures import measure_reconstruction
from training.models.fashion_judge.division import take_generators_part
from training.models.fashion_judge.judge import Judge, load_judge

log = logging.getLogger(__name__)

GOAL = Goal(lowest=0.88, precision=0.85, recall=0.55)
QUICK = Recipe(epochs=2, train_rows=10_000, averaging=0.98, measured_each=100)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training leaves.

    Attributes:
        vae: its averages up to date.
        history: name → value at each epoch.
        ran: for the manifest.
    """

    vae: AdversarialVae
    history: Mapping[str, Sequence[float]]
    ran: Training


def train(options: RunOptions) -> None:
    """Clothing that never was: a conditional VAE on Fashion-MNIST.

    About fifty minutes of one core. The averaged weights of each epoch are kept in a
    folder of its own, which is named as it begins.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    judge = load_judge()
    data = take_generators_part(fashion_mnist.load(options.data_dir))
    splits = split_images(data, recipe.validation_rows, recipe.train_rows, options.seed)
    folder = Path(tempfile.mkdtemp(prefix="clothing-vae-"))
    log.info("Each epoch is kept in %s", folder)
    trained = learn(splits, recipe, options.seed, folder)
    export(trained, judge, splits, options.artifacts_dir)


def learn(splits: Splits, recipe: Recipe, seed: int, folder: Path) -> Trained:
    """Train, and keep the weights of each epoch in a folder."""
    make_repeatable(seed)
    run = provenance.begin_run(seed)
    vae = AdversarialVae(recipe, seed)
    history = fit(vae, splits.train, recipe, seed, folder)
    data_used = fashion_mnist.describe(splits.count())
    ran = run.finish((data_used,), recipe.epochs, describe_recipe(recipe))
    return Trained(vae, history, ran)


def export(trained: Trained, judge: Judge, splits: Splits, artifacts_dir: Path) -> Path:
    """Choose a temperature, measure what is drawn at it, write the version.

    Args:
        trained: what the training left.
        judge: who measures.
        splits: images to choose by, to stand in for drawn ones, and to measure with.
        artifacts_dir: the folder of all models.

    Returns:
        The version's folder.
    """
    functions = build_functions(trained.vae, splits.train)
    decode, each = functions["decode"], trained.ran.hyperparameters["measured_each"]
    temperature, tried = choose_temperature(
        partial(measure_temperature, decode, judge, splits.validation), GOAL
    )
    drawn = draw_evenly(decode, 10 * each, temperature, seed=2)
    metrics = {
        "drawing": measure_generator(judge, drawn.inputs, drawn.labels, splits.test),
        "floor": measure_floor(judge, splits.train, splits.test, each),
        "temperatures_tried": tried,
        "reconstruction": measure_reconstruction(functions, splits.test),
        **measure_size(trained.vae),
    }
    reports = draw_reports(
        functions, temperature, metrics, splits.test, trained.history
    )
    card = describe(trained.ran, metrics, temperature)
    folder = export_version(card, functions, artifacts_dir, reports=reports)
    log.info("Wrote %s", folder)
    return folder


def build_functions(vae: AdversarialVae, training: Rows) -> dict[str, Function]:
    """Wrap the averages as they are served: `decode` in whole numbers, and `encode`.

    Args:
        vae: after `update_average`.
        training: images (rows, 28, 28) uint8 to measure the encoder's moments with.
    """
    encoder, decoder = vae.average_encoder, vae.average_decoder
    settle(decoder, seed=0)
    settle_by(encoder, training.first(SETTLING_ROWS).inputs.astype("float32") / 255)

    def encode(image: Any) -> dict[str, Any]:
        pixels = tf.cast(image, tf.float32) / 255.0
        mean, log_variance, guess = encoder(pixels, training=False)
        return {
            "latent": mean,
            "log_variance": log_variance,
            "category": tf.nn.softmax(guess),
        }

    image = TensorSpec(name="image", dtype="uint8", shape=(None, 28, 28))
    return {
        "decode": build_decode(decoder),
        "encode": Function(encode, (image,), {"image": training.inputs[:64]}),
    }


def measure_size(vae: AdversarialVae) -> dict[str, Any]:
    """Say how large both networks are; JSON-ready."""
    encoder, decoder = vae.encoder, vae.decoder
    return {
        "decoder_mflop": round(provenance.count_mflop(decoder), 2),
        "encoder_mflop": round(provenance.count_mflop(encoder), 2),
        "parameters": encoder.count_params() + decoder.count_params(),
    }
