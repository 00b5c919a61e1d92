"""What is said of a mask: shares, single things, outlines on the picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.tasks.instances import Bools, Instances, tell_apart
from service.tasks.pictures import to_base64

Mask = npt.NDArray[np.uint8]

LIKELY = 0.5  # that a pixel is of the middle of a thing
MOST_LISTED = 1000  # things in one answer
OUTLINE = (0, 255, 64)  # red, green, blue: no tissue and no ink is of it


def share_out(mask: Mask, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Each class with its share of the pixels, the largest first."""
    shares = np.bincount(mask.ravel(), minlength=len(labels)) / mask.size
    order = np.argsort(-shares, kind="stable").tolist()
    return [
        {"label": labels[each], "score": round(float(shares[each]), 6)}
        for each in order
    ]


def find_things(
    mask: Mask, cores: npt.NDArray[Any] | None
) -> list[tuple[int, Instances]]:
    """The things of each class but the first, by the class's number.

    Args:
        mask: (height, width), numbers of classes.
        cores: Of the same size, how likely a pixel is of the middle of a thing; None =
            what hangs together is one.
    """
    likely = None if cores is None else cores.reshape(mask.shape) >= LIKELY
    numbers = np.unique(mask[mask > 0]).tolist()
    return [(number, tell_apart(mask == number, likely)) for number in numbers]


def list_things(
    things: Sequence[tuple[int, Instances]], labels: Sequence[str]
) -> list[dict[str, Any]]:
    """The largest things, as far as they are listed, with centres and areas."""
    found = [
        (int(area), *each.centres[thing].tolist(), labels[number])
        for number, each in things
        for thing, area in enumerate(each.areas)
    ]
    found.sort(key=lambda thing: -thing[0])
    return [
        {"label": label, "x": round(x, 1), "y": round(y, 1), "area": area}
        for area, y, x, label in found[:MOST_LISTED]
    ]


def draw_outlines(picture: npt.NDArray[np.uint8], numbers: npt.NDArray[Any]) -> Mask:
    """The picture with the outlines of what has a number, uint8 (height, width, 3).

    Args:
        picture: (height, width), or (height, width, 3).
        numbers: int (rows, columns), 0 = nothing; drawn in the picture's size.
    """
    height, width = picture.shape[:2]
    if numbers.shape != (height, width):
        image = Image.fromarray(numbers.astype(np.int32))
        numbers = np.asarray(image.resize((width, height), Image.Resampling.NEAREST))
    drawn = np.empty((height, width, 3), np.uint8)
    drawn[...] = picture if picture.ndim == 3 else picture[..., np.newaxis]
    drawn[_edges(numbers)] = OUTLINE
    return drawn


def number_things(
    mask: Mask, things: Sequence[tuple[int, Instances]]
) -> npt.NDArray[np.int64]:
    """Each pixel's thing, from 1 on, all classes together; 0 = none."""
    numbers, before = np.zeros(mask.shape, np.int64), 1
    for _, each in things:
        numbers[each.labels >= 0] = each.labels[each.labels >= 0] + before
        before += each.areas.size
    return numbers


def find_segments(mask: Mask, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Each class that is in a mask, with a mask of its own: white where it is."""
    white = np.uint8(255)
    return [
        {
            "label": labels[number],
            "score": None,
            "mask": to_base64((mask == number) * white),
        }
        for number in np.unique(mask).tolist()
    ]


def _edges(numbers: npt.NDArray[Any]) -> Bools:
    """Pixels of a thing beside which, above, below, left or right, is another."""
    edges = np.zeros(numbers.shape, np.bool_)
    differs = numbers[1:] != numbers[:-1]
    edges[1:] |= differs
    edges[:-1] |= differs
    differs = numbers[:, 1:] != numbers[:, :-1]
    edges[:, 1:] |= differs
    edges[:, :-1] |= differs
    inside: Bools = edges & (numbers > 0)
    return inside
