"""What the clothing GAN ships: the averaged generator, in whole numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from service.contract.manifest import Training
from training.core.split import Rows
from training.metrics.generation import frechet_distance
from training.models.clothing.decoder import draw_latents
from training.models.clothing.drawing import draw_softly, spread_evenly, width
from training.models.clothing.fitting import checkpoint, load, settle
from training.models.fashion_judge.judge import Judge


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
        settle(self.generator, seed=0)


def measure_epochs(trained: Trained, judge: Judge, real: Rows) -> list[float]:
    """Measure how far each epoch's generator is from real images; leave the last one.

    The last is shipped, whatever is found: its learning rates have come to nothing,
    and a judge that chose would no more be a stranger.

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
    return [round(distance, 4) for distance in distances]
