"""The steps between two garments, on their way out: as JSON, as a strip, as a GIF."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic_core import to_json
from starlette.responses import Response

from service.models.clothing.vocabulary import CATEGORIES
from service.tasks.pictures import PNG, VARY, to_base64
from service.web.http.body import JSON
from service.web.imaging.encode import lay_out, to_gif, to_png

GIF = "image/gif"


@dataclass(frozen=True, slots=True)
class End:
    """Where an interpolation begins or ends.

    Attributes:
        category: The name.
        latent: float32 (dims,).
        prepared: Of a picture, what the encoder saw: uint8 (28, 28), 0 = background.
    """

    category: str
    latent: np.ndarray
    prepared: np.ndarray | None = None

    def describe(self, scale: int) -> dict[str, Any]:
        """JSON-ready; pictures as PNG in base64."""
        facts = {"category": self.category, "latent": self.latent.tolist()}
        if self.prepared is None:
            return facts
        return facts | {"prepared": to_base64(self.prepared, scale)}


@dataclass(frozen=True, slots=True)
class Interpolation:
    """What a request for the steps between two garments gave.

    Attributes:
        facts: JSON-ready: model and version.
        ends: `from` and `to`.
        latents: float32 (steps, dims).
        weights: float32 (steps, 10), of the categories.
        images: uint8 (steps, 28, 28), 0 = background.
        scale: Every pixel is drawn so many times as wide and as high.
    """

    facts: Mapping[str, Any]
    ends: Mapping[str, End]
    latents: np.ndarray
    weights: np.ndarray
    images: np.ndarray
    scale: int

    def respond(self, kind: str) -> Response:
        """The answer as one of JSON, GIF and PNG."""
        if kind == JSON:
            return Response(self._json(), media_type=JSON, headers=VARY)
        headers = VARY | {f"x-{key}": str(fact) for key, fact in self.facts.items()}
        if kind == PNG:
            content = to_png(lay_out(self.images, len(self.images)), self.scale)
        else:
            content = to_gif(self.images, self.scale)
        return Response(content, media_type=kind, headers=headers)

    def _json(self) -> bytes:
        ends = {name: end.describe(self.scale) for name, end in self.ends.items()}
        last = len(self.images) - 1
        frames = [
            {
                "position": round(step / last, 6),
                "latent": self.latents[step].tolist(),
                "categories": _name(self.weights[step]),
                "image": to_base64(image, self.scale),
            }
            for step, image in enumerate(self.images)
        ]
        return to_json({**self.facts, **ends, "frames": frames})


def _name(weights: np.ndarray) -> dict[str, float]:
    """The weights, float32 (10,), that are not 0, by category."""
    pairs = zip(CATEGORIES, weights.tolist(), strict=True)
    return {name: round(weight, 6) for name, weight in pairs if weight}
