"""Pictures of any size for a model of one: cut into tiles that overlap, and joined.

Along each side tiles begin at 0, and then each where the last one ends, less what both
share. Of what two share each gives the half that is nearer to its middle; so a model
that looks no farther than half an overlap says of tiles what it would say of the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tiling:
    """How pictures are cut.

    Attributes:
        size: Height, width of a tile.
        overlap: Pixels that two side by side share: even, at most half of a tile.
    """

    size: tuple[int, int]
    overlap: int

    def count(self, height: int, width: int) -> int:
        """Tiles of a picture of this size."""
        rows, columns = self._starts(height, width)
        return len(rows) * len(columns)

    def cut(self, picture: Array) -> Array:
        """Cut a picture up.

        Args:
            picture: (height, width, …), at least one pixel.

        Returns:
            (tiles, …) of the size, row by row. What is beyond the picture's lower and
            right edges is its mirror image.
        """
        height, width = picture.shape[:2]
        starts = self._starts(height, width)
        ends = [each[-1] + side for each, side in zip(starts, self.size, strict=True)]
        beyond = [(0, ends[0] - height), (0, ends[1] - width)]
        none = [(0, 0)] * (picture.ndim - 2)
        padded = np.pad(picture, beyond + none, mode="symmetric")
        tall, wide = self.size
        return np.stack(
            [
                padded[top : top + tall, left : left + wide]
                for top in starts[0]
                for left in starts[1]
            ]
        )

    def join(self, tiles: Array, height: int, width: int) -> Array:
        """Put together what a model said of each tile: (height, width, …).

        Args:
            tiles: (tiles, …), as `cut` gave them.
            height: Of the picture.
            width: Likewise.
        """
        rows, columns = self._starts(height, width)
        whole = np.empty((height, width, *tiles.shape[3:]), tiles.dtype)
        parts = iter(tiles)
        for top, own_rows in self._own(rows, 0):
            for left, own_columns in self._own(columns, 1):
                below, right = slice(top, height), slice(left, width)
                place = whole[below, right][own_rows, own_columns]
                mine = next(parts)[own_rows, own_columns]
                place[...] = mine[: place.shape[0], : place.shape[1]]
        return whole

    def _own(self, starts: range, axis: int) -> Iterator[tuple[int, slice]]:
        """Where each tile begins, and which of its pixels are nearest to its middle."""
        half = self.overlap // 2
        for start in starts:
            last = start == starts[-1]
            first_own = half if start else 0
            yield start, slice(first_own, None if last else self.size[axis] - half)

    def _starts(self, height: int, width: int) -> tuple[range, range]:
        """The first row and the first column of each tile."""

        def along(length: int, side: int) -> range:
            step = side - self.overlap
            more = -(-max(0, length - side) // step)
            return range(0, more * step + 1, step)

        return along(height, self.size[0]), along(width, self.size[1])
