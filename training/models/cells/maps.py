"""What the network is to say of a picture, made of the outlines of its nuclei."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

DEEP = 0.5  # of a nucleus's greatest depth, from which on a pixel is of its core

Map = npt.NDArray[np.uint8]


def draw_maps(labels: npt.NDArray[np.integer]) -> tuple[Map, Map]:
    """Draw both maps of a picture.

    A core is what is left of a nucleus without its rim, so that the cores of two that
    touch do not.

    Args:
        labels: (height, width), 0 = background, k = nucleus k.

    Returns:
        Nuclei and cores, (height, width) uint8 of each, 0 or 255.
    """
    cores = np.zeros(labels.shape, np.uint8)
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box is None:
            continue
        # A nucleus that the picture's edge cuts goes on beyond it.
        around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
        depth = ndimage.distance_transform_edt(labels[around] == number)
        cores[around][depth >= max(1.5, DEEP * depth.max())] = 255
    return np.where(labels > 0, np.uint8(255), np.uint8(0)), cores


def draw_all(labels: npt.NDArray[np.integer]) -> tuple[Map, Map]:
    """The same for (rows, height, width) of labels."""
    nuclei, cores = zip(*map(draw_maps, labels), strict=True)
    return np.stack(nuclei), np.stack(cores)
