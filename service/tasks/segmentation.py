"""Pictures to masks: the class of every pixel, and how much of the picture each has."""

import base64
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from fastapi import Response
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors, count_rows
from service.errors import NotAcceptable
from service.tasks.classes import ClassScore
from service.tasks.endpoint import Given, Wanted
from service.tasks.images import SizedImages
from service.tasks.pictures import PNG, VARY, to_base64
from service.web.api.model_call import ModelCall
from service.web.api.schemas import BINARY
from service.web.http.body import JSON

Mask = npt.NDArray[np.uint8]


class Segmentation(BaseModel):
    """What one picture is made of."""

    mask: str = Field(
        description="PNG in base64, in the size that the model looks at: each pixel "
        "is the number of its class, in the order of the model's labels."
    )
    width: int = Field(description="Of the mask.")
    height: int = Field(description="Of the mask.")
    shares: list[ClassScore] = Field(
        description="Of each class: its share of the pixels, the largest first."
    )


class ImageSegmenter(SizedImages):
    """Pictures to masks.

    Args:
        contract: Whose task is a segmentation.
    """

    prediction, label = Segmentation, ""
    other_answers: ClassVar = {PNG: BINARY}

    def __init__(self, contract: Contract):
        super().__init__(contract)
        self.task = contract.task

    async def answer(self, call: ModelCall, wanted: Wanted | None = None) -> Response:
        """See `Endpoint`; a mask alone where `Accept` asks for a PNG."""
        kind = call.choose(JSON, PNG)
        given = await self.read(call)
        rows = count_rows(given.groups[0])
        if kind == PNG and rows > 1:
            raise NotAcceptable(
                f"Accept: expected {JSON} for several images, received {PNG} for "
                f"{rows}."
            )
        answer, predictions = await self.compute(call, given, wanted or Wanted())
        if kind == JSON:
            return call.respond(answer, predictions)
        mask = base64.b64decode(predictions[0]["mask"])
        return Response(mask, media_type=PNG, headers=VARY)

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `Segmentation`."""
        masks = self.find_masks(outputs, wanted)
        return [_describe(mask, contract.labels) for mask in masks]

    def find_masks(self, outputs: Tensors, wanted: Wanted) -> Mask:
        """The number of each pixel's class, uint8 (rows, height, width)."""
        scores = outputs[0]
        if scores.ndim == 4 and scores.shape[-1] > 1:
            return np.asarray(scores.argmax(axis=-1), np.uint8)
        asked = wanted.threshold
        threshold = self.task.threshold if asked is None else asked
        alone: npt.NDArray[Any] = scores.reshape(scores.shape[:3])
        return np.asarray(alone >= threshold, np.uint8)


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


def _describe(mask: Mask, labels: Sequence[str]) -> dict[str, Any]:
    height, width = mask.shape
    shares = np.bincount(mask.ravel(), minlength=len(labels)) / mask.size
    order = np.argsort(-shares, kind="stable").tolist()
    return {
        "mask": to_base64(mask),
        "width": width,
        "height": height,
        "shares": [
            {"label": labels[each], "score": round(float(shares[each]), 6)}
            for each in order
        ],
    }
