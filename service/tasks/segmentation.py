"""Pictures to masks: the class of every pixel, and what things they make up.

picture ─┬─ in the model's size ─────────▶ a row ─┐
         └─ as it is ─ tiles ─▶ a row each ─ join ─┴▶ maps ─ mask ─ shares, things
"""

import base64
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from fastapi import Response
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.engine.batching.tensors import Tensors
from service.errors import NotAcceptable
from service.tasks.classes import ClassScore
from service.tasks.endpoint import QUICK_ITEMS, Given, Wanted
from service.tasks.images import SizedImages, as_input
from service.tasks.masks import (
    Mask,
    draw_outlines,
    find_things,
    list_things,
    number_things,
    share_out,
)
from service.tasks.pictures import PNG, VARY, to_base64
from service.web.api.model_call import ModelCall
from service.web.api.schemas import BINARY
from service.web.http.body import JSON
from service.web.imaging.sized import Pixels, read_whole
from service.web.imaging.tiles import Tiling

MOST_TILES = 64  # of one picture
TILES_AT_ONCE = 8  # that other requests wait for


class Segmentation(BaseModel):
    """What one picture is made of."""

    mask: str = Field(
        description="PNG in base64, in the size that the model looks at, or of the "
        "picture where it looks at tiles: each pixel is the number of its class, in "
        "the order of the model's labels."
    )
    width: int = Field(description="Of the mask.")
    height: int = Field(description="Of the mask.")
    shares: list[ClassScore] = Field(
        description="Of each class: its share of the pixels, the largest first."
    )
    overlay: str | None = Field(
        None, description="Asked for: PNG in base64, the picture with outlines on it."
    )


class Thing(BaseModel):
    """One thing in a picture."""

    label: str = Field(description="Of its class.")
    x: float = Field(description="Of the middle of its pixels, from the left.")
    y: float = Field(description="Likewise, from above.")
    area: int = Field(description="Its pixels.")


class CountedSegmentation(Segmentation):
    """What one picture is made of, and the things that are in it."""

    count: int = Field(description="Things that are not of the first class.")
    instances: list[Thing] = Field(description="The largest of them, 1000 at most.")


class ImageSegmenter(SizedImages):
    """Pictures to masks.

    Args:
        contract: Whose task is a segmentation.
    """

    label, takes_threshold = "", True
    other_answers: ClassVar = {PNG: BINARY}

    def __init__(self, contract: Contract):
        super().__init__(contract)
        counts = self.task.instances is not None
        self.prediction = CountedSegmentation if counts else Segmentation
        self._tiling: Tiling | None = None
        if self.task.resize == "tile":
            self._tiling = Tiling(self.task.size, self.task.overlap)
            self.read_image = partial(
                read_whole,
                colour=self.task.colour,
                tiling=self._tiling,
                most=MOST_TILES,
            )

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`; pictures in tiles are of different sizes."""
        if self._tiling is None:
            return await super().read_all(call, rows)
        pictures: list[Pixels] = []
        tiles: list[Pixels] = []
        for number, file in enumerate(rows):
            field = [f"images.{number}"] if len(rows) > 1 else []
            ((picture,),) = await call.read_images([file], self.read_image, field)
            tiles.append(self._tiling.cut(picture))
            pictures.append(picture)
            call.check_count(sum(map(len, tiles)))
            call.hold(len(tiles[-1]), self.row_bytes)
        return Given(await self._group(call, np.concatenate(tiles)), pictures)

    async def _group(self, call: ModelCall, tiles: Pixels) -> list[Tensors]:
        work = partial(as_input, tiles, self._input, self._range)
        inputs = await call.decode(work, in_thread=tiles.size > QUICK_ITEMS)
        starts = range(0, len(inputs), TILES_AT_ONCE)
        return [(inputs[start : start + TILES_AT_ONCE],) for start in starts]

    async def answer(self, call: ModelCall, wanted: Wanted | None = None) -> Response:
        """See `Endpoint`; a picture alone where `Accept` asks for a PNG."""
        wanted = wanted or Wanted()
        kind = call.choose(JSON, PNG)
        given = await self.read(call)
        if kind == PNG and len(given.sources) > 1:
            raise NotAcceptable(
                f"Accept: expected {JSON} for several images, received {PNG} for "
                f"{len(given.sources)}."
            )
        answer, predictions = await self.compute(call, given, wanted)
        if kind == JSON:
            return call.respond(answer, predictions)
        shown = predictions[0]["overlay" if wanted.overlay else "mask"]
        return Response(base64.b64decode(shown), media_type=PNG, headers=VARY)

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `Segmentation`."""
        return [
            self._describe(picture, maps, contract.labels, wanted)
            for picture, maps in zip(
                given.sources, self._maps(given, outputs), strict=True
            )
        ]

    def find_masks(
        self, given: Given, outputs: Tensors, wanted: Wanted
    ) -> Iterator[Mask]:
        """The number of each pixel's class, uint8 (height, width) of each picture."""
        for maps in self._maps(given, outputs):
            yield self._classify(maps[0], wanted)

    def _maps(self, given: Given, outputs: Tensors) -> Iterator[Tensors]:
        """What the model gives for each picture: (height, width, …) of each output."""
        used = outputs[: 2 if self.task.instances == "cores" else 1]
        if self._tiling is None:
            yield from zip(*used, strict=True)
            return
        done = 0
        for picture in given.sources:
            height, width = picture.shape[:2]
            count = self._tiling.count(height, width)
            mine = [each[done : done + count] for each in used]
            yield tuple(self._tiling.join(each, height, width) for each in mine)
            done += count

    def _classify(self, scores: npt.NDArray[Any], wanted: Wanted) -> Mask:
        if scores.ndim == 3 and scores.shape[-1] > 1:
            return np.asarray(scores.argmax(axis=-1), np.uint8)
        asked = wanted.threshold
        threshold = self.task.threshold if asked is None else asked
        alone: npt.NDArray[Any] = scores.reshape(scores.shape[:2])
        return np.asarray(alone >= threshold, np.uint8)

    def _describe(
        self, picture: Pixels, maps: Tensors, labels: Sequence[str], wanted: Wanted
    ) -> dict[str, Any]:
        mask = self._classify(maps[0], wanted)
        height, width = mask.shape
        said = {
            "mask": to_base64(mask),
            "width": width,
            "height": height,
            "shares": share_out(mask, labels),
        }
        numbers: npt.NDArray[Any] = mask
        if self.task.instances is not None:
            by_cores = self.task.instances == "cores"
            things = find_things(mask, maps[1] if by_cores else None)
            said["count"] = sum(each.areas.size for _, each in things)
            said["instances"] = list_things(things, labels)
            numbers = number_things(mask, things)
        if wanted.overlay:
            said["overlay"] = to_base64(draw_outlines(picture, numbers))
        return said
