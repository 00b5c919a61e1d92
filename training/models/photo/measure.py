"""How good the photo model is on photographs with known classes, which are not here.

    python -m training.models.photo.measure --photos FOLDER --name "Imagenette, val"

What came of it is kept in `measured.json`, which `train.py` writes into the manifest of
whoever converts the same weights.

    <wnid>/*.JPEG ─ as the service prepares them ─ SavedModel ─ figures ─▶ measured.json
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.manifest import Manifest, read_manifest
from service.models.photo.middle import RESAMPLING, SHORT_SIDE, SIDE, read_middle
from training.models.photo.card import WARN_BELOW
from training.models.photo.figures import (
    Labels,
    Mask,
    Probabilities,
    count_confusion,
    count_right,
    is_among_best,
    measure_calibration,
    measure_warning,
)

MEASURED = Path(__file__).with_name("measured.json")
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
MOST_PIXELS = 100_000_000
FRESH = "ILSVRC2012_val_"  # so begin the names of photos that ImageNet keeps for tests
SEVERAL = 4  # rows, the largest batch of the artifact


@dataclass(frozen=True, slots=True)
class Photos:
    """Photographs of known classes.

    Attributes:
        images: (rows, 224, 224, 3) uint8, RGB, as the service prepares them.
        labels: (rows,) index of the true class, rows of a class side by side.
        is_fresh: (rows,) bool, ImageNet's validation; the others were learnt from.
        sha256: over the files, in the order of their paths.
    """

    images: npt.NDArray[np.uint8]
    labels: Labels
    is_fresh: Mask
    sha256: str


def read_photos(folder: Path, wnids: list[str]) -> Photos:
    """Read `<wnid>/*.JPEG`.

    Args:
        folder: of folders that are named as ImageNet names its classes.
        wnids: of all classes, by their index.

    Raises:
        ValueError: There is none, or a folder of another name.
    """
    paths = sorted(folder.glob("*/*.JPEG"))
    strange = {path.parent.name for path in paths} - set(wnids)
    if not paths or strange:
        raise ValueError(
            f"{folder}: expected <wnid>/*.JPEG, received "
            f"{', '.join(sorted(strange)) or 'none'}"
        )
    digest = hashlib.sha256()
    files = [path.read_bytes() for path in paths]
    for file in files:
        digest.update(file)
    return Photos(
        np.stack([read_middle(file, max_pixels=MOST_PIXELS) for file in files]),
        np.array([wnids.index(path.parent.name) for path in paths]),
        np.array([path.name.startswith(FRESH) for path in paths]),
        digest.hexdigest(),
    )


def classify(artifact: Path, images: npt.NDArray[np.uint8]) -> Probabilities:
    """Give (rows, 1000) float32 of (rows, 224, 224, 3) uint8, by the SavedModel."""
    served = tf.saved_model.load(str(artifact)).signatures["serving_default"]
    batches = np.split(images, range(SEVERAL, len(images), SEVERAL))
    return np.concatenate(
        [served(images=tf.constant(each))["probabilities"].numpy() for each in batches]
    )


def summarise(
    name: str, photos: Photos, probabilities: Probabilities, manifest: Manifest
) -> dict[str, Any]:
    """Collect all figures, with what they were measured of and on: see `MEASURED`."""
    labels, fresh = photos.labels, photos.is_fresh
    first, five = (is_among_best(labels, probabilities, count) for count in (1, 5))
    return {
        "of": _identify(manifest),
        "photos": {
            "name": name,
            "rows": len(labels),
            "classes": len(np.unique(labels)),
            "learnt_from": int((~fresh).sum()),
            "sha256": photos.sha256,
        },
        "top1": count_right(first),
        "top5": count_right(five),
        "top1_fresh": count_right(first[fresh]) if fresh.any() else None,
        "calibration": measure_calibration(labels, probabilities),
        "warning": measure_warning(labels, probabilities, WARN_BELOW),
        "confusion": count_confusion(labels, probabilities, manifest.labels),
    }


def identify(weights: str, epsilon: float) -> dict[str, Any]:
    """What the figures depend on: another network, or other pixels, has others.

    Args:
        weights: SHA-256 over all tensors.
        epsilon: of batch normalisation.
    """
    return {
        "tensors_sha256": weights,
        "epsilon": epsilon,
        "short_side": SHORT_SIDE,
        "side": SIDE,
        "resampling": RESAMPLING.name.lower(),
    }


def load_measured(weights: str, epsilon: float) -> dict[str, Any]:
    """The figures in `MEASURED`, if they are of these weights; none of any others."""
    measured: dict[str, Any] = json.loads(MEASURED.read_text())
    return measured if measured.pop("of") == identify(weights, epsilon) else {}


@click.command()
@click.option("--photos", "folder", type=FOLDER, required=True, help="<wnid>/*.JPEG.")
@click.option("--name", required=True, help="What the photos are called.")
@click.option("--artifact", type=FOLDER, required=True, help="artifacts/photo/<n>.")
def main(folder: Path, name: str, artifact: Path) -> None:
    """Measure the built photo model on photographs of known classes."""
    manifest = read_manifest(artifact)
    photos = read_photos(folder, manifest.constants["wnids"])
    found = summarise(name, photos, classify(artifact, photos.images), manifest)
    MEASURED.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    click.echo(f"top-1 {found['top1']}, top-5 {found['top5']}")


def _identify(manifest: Manifest) -> dict[str, Any]:
    if manifest.training is None:
        raise ValueError("manifest: expected training, received none")
    known = manifest.training.hyperparameters
    return identify(known["tensors_sha256"], known["epsilon"])


if __name__ == "__main__":
    main()
