"""How well nuclei are found: as pixels, and one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.filters import threshold_otsu

from service.tasks.instances import tell_apart
from training.datasets.nuclei import Nuclei

MATCH = 0.5  # intersection over union from which on a nucleus is found
LIKELY = 0.5  # that a pixel is of a core

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Found:
    """How well each picture was read, (pictures,) of each.

    Attributes:
        overlap: intersection over union of all that is nucleus.
        hits: nuclei that were found, each by one at `MATCH`.
        found: things that were said to be nuclei.
        there: nuclei that are there.
    """

    overlap: Floats
    hits: npt.NDArray[np.integer]
    found: npt.NDArray[np.integer]
    there: npt.NDArray[np.integer]

    def pick(self, rows: npt.NDArray[Any]) -> "Found":
        """Those of some pictures."""
        fields = (self.overlap, self.hits, self.found, self.there)
        return Found(*(each[rows] for each in fields))


def compare(nuclei: Nuclei, masks: Bools, cores: Bools | None = None) -> Found:
    """Compare what was found in pictures with what is there.

    Args:
        nuclei: the pictures.
        masks: (rows, height, width), what was said to be nucleus.
        cores: (rows, height, width), by which those that touch are told apart, if so.
    """
    rows = []
    for number, mask in enumerate(masks):
        truth = nuclei.labels[number]
        said = tell_apart(mask, None if cores is None else cores[number]).labels + 1
        rows.append((_overlap(truth > 0, mask), *_count_hits(truth, said)))
    return Found(*(np.array(each) for each in zip(*rows, strict=True)))


def mask_by_otsu(nuclei: Nuclei) -> Bools:
    """What is lighter than Otsu's threshold of its picture: (rows, height, width)."""
    return np.stack([each > threshold_otsu(each) for each in nuclei.pictures])


def summarise(found: Found) -> dict[str, Any]:
    """Figures for the manifest; errors as by drawing these pictures and not others."""
    count = len(found.overlap)
    error = float(np.std(found.overlap, ddof=1) / np.sqrt(count)) if count > 1 else None
    return {
        "pictures": count,
        "mean_iou": round(float(np.mean(found.overlap)), 4),
        "mean_iou_standard_error": None if error is None else round(error, 4),
        "worst_iou": round(float(np.min(found.overlap)), 4),
        "nuclei": int(found.there.sum()),
        "said": int(found.found.sum()),
        "f1_at_0.5": round(_f1(found), 4),
        "f1_standard_error": round(_f1_error(found), 4),
        "missed": _share(1 - found.hits.sum() / max(1, found.there.sum())),
        "false": _share(1 - found.hits.sum() / max(1, found.found.sum())),
    }


def group(nuclei: Nuclei) -> Mapping[str, Bools]:
    """Kinds of pictures, by what can be seen: name → (rows,) bool."""
    inside = np.array(
        [
            picture[labels > 0].mean() if labels.any() else 0
            for picture, labels in zip(nuclei.pictures, nuclei.labels, strict=True)
        ]
    )
    count = np.array([len(np.unique(each)) - 1 for each in nuclei.labels])
    area = (nuclei.labels > 0).sum(axis=(1, 2)) / np.maximum(1, count)
    return {
        "dim nuclei (below 45 of 255)": inside < 45,
        "brighter nuclei": inside >= 45,
        "small nuclei (below 80 pixels)": area < 80,
        "larger nuclei": area >= 80,
        "few nuclei (at most 15)": count <= 15,
        "many nuclei (more than 40)": count > 40,
    }


def _overlap(one: Bools, other: Bools) -> float:
    """Intersection over union; two empty masks are the same."""
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def _count_hits(
    truth: npt.NDArray[np.integer], said: npt.NDArray[np.integer]
) -> tuple[int, int, int]:
    """Pairs at `MATCH`, of which each is in one only; things said; things there."""
    there, ours = truth.ravel().astype(np.int64), said.ravel().astype(np.int64)
    width = int(ours.max()) + 1
    pairs, shared = np.unique(there * width + ours, return_counts=True)
    one, other = pairs // width, pairs % width
    areas, our_areas = np.bincount(there), np.bincount(ours)
    union = areas[one] + our_areas[other] - shared
    both = (one > 0) & (other > 0)
    # Above a half no two can claim the same; at exactly a half they could.
    hits = int((both & (shared > MATCH * union)).sum())
    return hits, int((our_areas[1:] > 0).sum()), int((areas[1:] > 0).sum())


def _f1(found: Found) -> float:
    both = int(found.found.sum() + found.there.sum())
    return float(2 * found.hits.sum() / both) if both else 1.0


def _f1_error(found: Found) -> float:
    """By the bootstrap over pictures: nuclei of one picture are alike."""
    rng, count = np.random.default_rng(0), len(found.overlap)
    drawn = (rng.integers(0, count, count) for _ in range(200))
    return float(np.std([_f1(found.pick(rows)) for rows in drawn], ddof=1))


def _share(value: Any) -> float:
    return round(float(value), 4)
