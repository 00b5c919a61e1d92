"""Pictures that were drawn, on their way out: as JSON, as one sheet, as a ZIP."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json
from starlette.responses import Response

from service.web.http.body import JSON
from service.web.imaging.encode import (
    lay_out,
    lay_out_by_kind,
    squarest,
    to_png,
    to_zip,
)

PNG, ZIP = "image/png", "application/zip"
VARY = {"vary": "Accept"}


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a request for pictures gave.

    Attributes:
        name: Of the files in which they come.
        facts: JSON-ready: all that it takes to draw the same again.
        named: The label of each picture, by its field; empty where there is none.
        more: JSON-ready: what else is said of each.
        images: uint8 (images, height, width), 0 = black; or (…, 3) in colour.
        kinds: How many labels take turns, where all of them do; else 0.
        scale: Every pixel is drawn so many times as wide and as high.
    """

    name: str
    facts: dict[str, Any]
    named: Sequence[dict[str, str]]
    more: Sequence[dict[str, Any]]
    images: np.ndarray
    kinds: int
    scale: int

    def respond(self, kind: str) -> Response:
        """The answer as one of JSON, PNG and ZIP; equal images give equal bytes."""
        if kind == JSON:
            return Response(self._json(), media_type=JSON, headers=VARY)
        headers = VARY | {f"x-{key}": str(fact) for key, fact in self.facts.items()}
        if kind == PNG:
            return Response(self._sheet(), media_type=PNG, headers=headers)
        name = f"{self.name}-{self.facts['seed']}.zip"
        headers["content-disposition"] = f'attachment; filename="{name}"'
        return Response(self._zip(), media_type=ZIP, headers=headers)

    def _json(self) -> bytes:
        images = [
            {**named, "image": to_base64(image, self.scale), **more}
            for named, image, more in zip(
                self.named, self.images, self.more, strict=True
            )
        ]
        return to_json(self.facts | {"images": images})

    def _sheet(self) -> bytes:
        if self.kinds:
            sheet = lay_out_by_kind(self.images, self.kinds)
        else:
            sheet = lay_out(self.images, squarest(len(self.images)))
        return to_png(sheet, self.scale)

    def _zip(self) -> bytes:
        names = [
            "-".join([f"{index:03}", *named.values()]) + ".png"
            for index, named in enumerate(self.named)
        ]
        listed = [
            {"file": name, **named, **more}
            for name, named, more in zip(names, self.named, self.more, strict=True)
        ]
        index = to_json(self.facts | {"scale": self.scale, "images": listed}, indent=1)
        pictures = (to_png(image, self.scale) for image in self.images)
        files = dict(zip(names, pictures, strict=True))
        return to_zip({f"{self.name}.json": index} | files)


def to_pixels(
    images: npt.NDArray[Any], value_range: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """What a model draws to uint8 (images, height, width), or (…, 3) in colour.

    Args:
        images: The same; or with one channel; or floats between the range's ends.
        value_range: Of black and white, where they are floats.
    """
    alone = images.ndim == 4 and images.shape[3] == 1
    grey = np.asarray(images[..., 0] if alone else images)
    if grey.dtype == np.uint8:
        return grey
    return np.stack([_to_shades(image, *value_range) for image in grey])


def to_base64(pixels: np.ndarray, scale: int = 1) -> str:
    """A PNG of uint8 (height, width), or (height, width, 3), in base64."""
    return base64.b64encode(to_png(pixels, scale)).decode()


def _to_shades(
    image: npt.NDArray[Any], low: float, high: float
) -> npt.NDArray[np.uint8]:
    """One at a time and in place: as float64 all of them would need much memory."""
    shades = image.astype(np.float64)
    shades -= low
    shades *= 255 / (high - low)
    np.nan_to_num(shades, copy=False)
    np.rint(shades.clip(0, 255, out=shades), out=shades)
    return shades.astype(np.uint8)
