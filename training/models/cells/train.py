"""Train the finder of nuclei: 334 pictures → a small U-Net → artifacts/cells/<version>.

pictures ─▶ 60 % augmented ─▶ fit ─▶ export
            15 %: best epoch, threshold ┘  ▲
            25 %: met once, beside Otsu ───┘
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.signature import TensorSpec
from training.core import provenance
from training.core.export import (
    DEFAULT_SIGNATURE,
    Function,
    HeldOut,
    export_version,
)
from training.core.fitting import build_adamw, fit_best, make_repeatable
from training.core.options import RunOptions
from training.core.prediction import predict
from training.datasets import nuclei as data_set
from training.datasets.nuclei import SIDE, Nuclei
from training.models.cells.augmentation import Augmentation, augment
from training.models.cells.card import describe, draw_reports, make_examples
from training.models.cells.maps import draw_all
from training.models.cells.measures import (
    LIKELY,
    Bools,
    compare,
    group,
    mask_by_otsu,
    summarise,
)
from training.models.cells.network import build_network, overlap_loss

log = logging.getLogger(__name__)

THRESHOLDS = tuple(round(0.3 + 0.05 * step, 2) for step in range(9))
AT_ONCE = 10  # pictures in a batch that is only looked at
KEPT = 4  # pictures in golden.npz
NAMES = ("cells", "cores")  # of the maps
MIRRORS = [np.array(axes, np.int32) for axes in ((), (1,), (2,), (1, 2))]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what the weights become, besides the seed.

    Attributes:
        epochs: after each of which the validation pictures are looked at.
        steps_per_epoch: batches in one.
        batch_size: pictures in one step.
        learning_rate: the highest; see `build_adamw`.
        weight_decay: likewise.
        augmentation: how far each picture is changed, anew each time.
    """

    epochs: int = 160
    steps_per_epoch: int = 60
    batch_size: int = 8
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    augmentation: Augmentation = field(default_factory=Augmentation)


QUICK = Recipe(epochs=2, steps_per_epoch=15)


def train(options: RunOptions) -> None:
    """Nuclei in pictures of a microscope, by a small U-Net.

    An hour on two cores, longer beside other work.
    """
    recipe = options.choose_recipe(Recipe(), QUICK)
    parts = data_set.split(data_set.load(options.data_dir), options.seed)
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    model, history = fit(parts.train, parts.validation, recipe, options.seed)
    function = build_function(model, parts.validation.pictures[:KEPT])
    threshold = choose_threshold(function, parts.validation)
    ran = run.finish(
        (data_set.describe(parts.count()),),
        recipe.epochs,
        asdict(recipe) | {"threshold": threshold},
    )
    test = parts.test  # looked at here, and nowhere before
    metrics, masks = measure(function, test, threshold)
    metrics["parameters"] = model.count_params()
    metrics["mflop"] = round(provenance.count_mflop(model), 1)
    folder = export_version(
        describe(ran, metrics, threshold, make_examples(parts.validation)),
        {DEFAULT_SIGNATURE: function},
        options.artifacts_dir,
        held_out={
            DEFAULT_SIGNATURE: HeldOut(
                {"pictures": test.pictures[:KEPT]}, test.labels[:KEPT]
            )
        },
        reports=draw_reports(test, masks, compare(test, masks), history),
    )
    log.info("Wrote %s: %s", folder, metrics["test"])


def fit(
    training: Nuclei, validation: Nuclei, recipe: Recipe, seed: int
) -> tuple[Any, dict[str, list[float]]]:
    """Train the network; keep the epoch that is best on `validation`.

    Returns:
        The network, for pictures of one size, and its losses at each epoch.
    """
    model = build_network(None)
    model.compile(
        optimizer=build_adamw(
            *(recipe.learning_rate, recipe.weight_decay),
            *(recipe.epochs, recipe.steps_per_epoch),
        ),
        loss={"cells": overlap_loss, "cores": overlap_loss},
    )
    stream = stream_pictures(training, recipe, seed)
    wholes = as_dataset(validation)
    history = fit_best(model, stream, wholes, recipe.epochs, recipe.steps_per_epoch)
    fixed = build_network(SIDE)
    fixed.set_weights(model.get_weights())
    return fixed, history


def stream_pictures(nuclei: Nuclei, recipe: Recipe, seed: int) -> Any:
    """Stream batches of augmented pictures with both maps, without end."""
    maps, how = draw_all(nuclei.labels), recipe.augmentation

    def draw() -> Any:
        rng = np.random.default_rng(seed)
        while True:
            for row in rng.permutation(len(nuclei)):
                both = tuple(each[row] for each in maps)
                picture, cells, cores = augment(nuclei.pictures[row], both, how, rng)
                yield picture, {"cells": cells, "cores": cores}

    spec = tf.TensorSpec((how.side, how.side), tf.float32)
    rows = tf.data.Dataset.from_generator(
        draw, output_signature=(spec, {"cells": spec, "cores": spec})
    )
    return rows.batch(recipe.batch_size, drop_remainder=True).prefetch(2)


def as_dataset(nuclei: Nuclei) -> Any:
    """All pictures as they are, with both maps, in batches."""
    cells, cores = (each.astype(np.float32) / 255 for each in draw_all(nuclei.labels))
    rows = tf.data.Dataset.from_tensor_slices(
        (nuclei.pictures.astype(np.float32), {"cells": cells, "cores": cores})
    )
    return rows.batch(AT_ONCE)


def build_function(model: Any, sample: npt.NDArray[np.uint8]) -> Function:
    """Wrap the network as it is served: grey pictures → both maps.

    Each picture is looked at four times, as it is and mirrored, and what was said of a
    pixel is averaged.
    """

    def find(pictures: Any) -> dict[str, Any]:
        light, views = tf.cast(pictures, tf.float32), []
        for axes in MIRRORS:
            maps = model(tf.reverse(light, axes), training=False)
            views.append([tf.reverse(maps[name], axes) for name in NAMES])
        means = (tf.add_n([*each]) / len(MIRRORS) for each in zip(*views, strict=True))
        return dict(zip(NAMES, means, strict=True))

    spec = TensorSpec(name="pictures", dtype="uint8", shape=(None, SIDE, SIDE))
    return Function(find, inputs=(spec,), sample={"pictures": sample})


def choose_threshold(function: Function, validation: Nuclei) -> float:
    """From which probability on a pixel is nucleus, by the validation pictures."""
    said = look(function, validation.pictures)["cells"]
    overlaps = {
        threshold: float(compare(validation, said >= threshold).overlap.mean())
        for threshold in THRESHOLDS
    }
    best = max(overlaps, key=overlaps.__getitem__)
    log.info("Threshold %s of %s", best, overlaps)
    return best


def measure(
    function: Function, test: Nuclei, threshold: float
) -> tuple[dict[str, Any], Bools]:
    """Figures of pictures that nothing was chosen by; and their masks."""

    def read(pictures: npt.NDArray[np.uint8]) -> tuple[Bools, Bools]:
        maps = look(function, pictures)
        return maps["cells"] >= threshold, maps["cores"] >= LIKELY

    masks, cores = read(test.pictures)
    found = compare(test, masks, cores)
    metrics = {
        "test": summarise(found),
        "baselines": {
            "otsu": summarise(compare(test, mask_by_otsu(test))),
            "same mask, what hangs together is one": summarise(compare(test, masks)),
        },
        "groups": {
            name: summarise(found.pick(among))
            for name, among in group(test).items()
            if among.any()
        },
        "probes": {
            name: summarise(compare(test, *read(pictures)))
            for name, pictures in spoil(test.pictures).items()
        },
    }
    return metrics, masks


def spoil(
    pictures: npt.NDArray[np.uint8],
) -> Mapping[str, npt.NDArray[np.uint8]]:
    """The same pictures as a user might send them: kind → (rows, height, width)."""
    return {
        "inverted": 255 - pictures,
        "a quarter of the light": pictures // 4,
    }


def look(
    function: Function, pictures: npt.NDArray[np.uint8]
) -> dict[str, npt.NDArray[Any]]:
    """Both maps of all pictures, (rows, height, width) of each, 0 to 1."""
    return predict(function.call, {"pictures": pictures}, AT_ONCE)
