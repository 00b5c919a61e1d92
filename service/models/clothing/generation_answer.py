"""Garments that were drawn, on their way out: as JSON, as one sheet, as a ZIP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import to_json
from starlette.responses import Response

from service.models.clothing.vocabulary import CATEGORIES, to_base64
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
class GeneratedClothing:
    """What a request for clothing gave.

    Attributes:
        facts: JSON-ready: all that it takes to draw the same again.
        categories: The name for each image.
        latents: float32 (images, dims).
        images: uint8 (images, 28, 28), 0 = background.
        by_category: Whether the categories take turns, all of them.
        scale: Every pixel is drawn so many times as wide and as high.
    """

    facts: dict[str, Any]
    categories: Sequence[str]
    latents: np.ndarray
    images: np.ndarray
    by_category: bool
    scale: int

    def respond(self, kind: str) -> Response:
        """The answer as one of JSON, PNG and ZIP; equal images give equal bytes."""
        if kind == JSON:
            return Response(self._json(), media_type=JSON, headers=VARY)
        headers = VARY | {f"x-{key}": str(fact) for key, fact in self.facts.items()}
        if kind == PNG:
            return Response(self._sheet(), media_type=PNG, headers=headers)
        name = f"clothing-{self.facts['seed']}.zip"
        headers["content-disposition"] = f'attachment; filename="{name}"'
        return Response(self._zip(), media_type=ZIP, headers=headers)

    def _json(self) -> bytes:
        images = [
            {
                "category": category,
                "image": to_base64(image, self.scale),
                "latent": latent.tolist(),
            }
            for category, image, latent in zip(
                self.categories, self.images, self.latents, strict=True
            )
        ]
        return to_json(self.facts | {"images": images})

    def _sheet(self) -> bytes:
        if self.by_category:
            sheet = lay_out_by_kind(self.images, len(CATEGORIES))
        else:
            sheet = lay_out(self.images, squarest(len(self.images)))
        return to_png(sheet, self.scale)

    def _zip(self) -> bytes:
        names = [f"{i:03}-{name}.png" for i, name in enumerate(self.categories)]
        rows = zip(names, self.categories, self.latents, strict=True)
        listed = [
            {"file": name, "category": category, "latent": latent.tolist()}
            for name, category, latent in rows
        ]
        index = to_json(self.facts | {"scale": self.scale, "images": listed}, indent=1)
        pictures = (to_png(image, self.scale) for image in self.images)
        return to_zip(
            {"clothing.json": index, **dict(zip(names, pictures, strict=True))}
        )
