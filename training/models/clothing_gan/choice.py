"""What the clothing GAN ships: the epoch nearest to real images, in whole numbers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from scipy.special import expit

from service.contract.manifest import Training
from training.core.export import Function
from training.core.split import Rows
from training.metrics.generation import frechet_distance
from training.models.clothing.decoder import draw_latents, one_hot
from training.models.clothing.drawing import spread_evenly
from training.models.clothing.integer_decoder import build_function
from training.models.clothing_gan.fitting import checkpoint, load, settle
from training.models.fashion_judge.judge import Judge

log = logging.getLogger(__name__)

_CALIBRATION_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training leaves.

    Attributes:
        generator: of the shape whose weights are kept, with any of them.
        folder: with the checkpoint of each epoch.
        history: name → value at each epoch.
        ran: for the manifest.
    """

    generator: keras.Model
    folder: Path
    history: Mapping[str, Sequence[float]]
    ran: Training

    def load(self, epoch: int) -> None:
        """Give the generator its averaged weights after an epoch, moments settled."""
        load(self.generator, checkpoint(self.folder, epoch))
        settle(self.generator, width(self.generator), seed=0)


def choose_epoch(trained: Trained, judge: Judge, real: Rows) -> list[float]:
    """Leave the epoch nearest to real images in the generator, its moments settled.

    Args:
        trained: its generator gets the weights.
        judge: whose features the distance is measured in.
        real: images that nobody learnt from, and not those of the test either.

    Returns:
        The Fréchet distance of each epoch, at temperature 1.
    """
    asked = spread_evenly(len(real))
    latents = draw_latents(
        np.random.default_rng(1), len(asked), width(trained.generator)
    )
    reference, distances = judge.features(real.inputs), []
    for epoch in range(1, trained.ran.epochs + 1):
        trained.load(epoch)
        drawn = draw_softly(trained.generator, latents, asked)
        distances.append(frechet_distance(judge.features(drawn), reference))
    best = int(np.argmin(distances)) + 1
    log.info("Kept epoch %d of %d, the nearest to real images", best, len(distances))
    trained.load(best)
    return [round(distance, 4) for distance in distances]


def build_decode(generator: keras.Model) -> Function:
    """Write the generator in whole numbers, as it is served."""
    latents = draw_latents(
        np.random.default_rng(2), _CALIBRATION_ROWS, width(generator)
    )
    asked = one_hot(spread_evenly(_CALIBRATION_ROWS))
    return build_function(generator, {"latent": latents, "category": asked})


def draw_softly(
    generator: keras.Model,
    latents: npt.NDArray[np.float32],
    asked: npt.NDArray[np.integer],
) -> npt.NDArray[np.uint8]:
    """Draw with the Keras generator, to see how it learns.

    What is served is the same in whole numbers.
    """
    inputs = [latents, one_hot(asked)]
    logits = generator.predict(inputs, batch_size=500, verbose=0)
    images = 255 * expit(logits[..., 0].astype(np.float64))
    return np.asarray(np.rint(images), np.uint8)


def width(generator: keras.Model) -> int:
    """Length of the latents that a generator takes."""
    return int(generator.inputs[0].shape[1])
