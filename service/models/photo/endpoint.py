"""Photos: pictures → what each one shows, of ImageNet's 1,000 classes."""

from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from service.contract.contract import Contract
from service.contract.task import ImageClassification
from service.engine.batching.tensors import Tensors
from service.models.photo.middle import SIDE, read_middle
from service.tasks.endpoint import Given, Wanted
from service.tasks.images import ImageEndpoint
from service.web.api.model_call import ModelCall
from service.web.api.schemas import Version

DEFAULT_TOP_K, MOST_TOP_K = 5, 20
DOUBTFUL = (
    "No class has a probability of {:.0%} or more: the first one is more likely wrong "
    "than right, and the photo may show something that the model does not know."
)

# tests/data/photos/coffee.jpg, 64×64, as WebP.
EXAMPLE = (
    "UklGRiICAABXRUJQVlA4IBYCAADwDQCdASpAAEAAPzmMvVivKKYjqhZq6eAnCWwAr7ehjChzLGc+AeLQ"
    "eWHA/gVjSCw5FHVaMOvciY5h/Bfn5ARSyOEpRiSdJEgVKBOO4RBGCKNzlxRtJxV+luwV1a8WPhwz3WsF"
    "Lv+jT9oYTaHGdwNdWjXZqszZYvwA/uNFleTyfVXJaqC+GoQ6+QP7GiuGGv6GBCP3DRVIGcxseLYuuwiD"
    "WUhWLvbosnThxrRq3S5V9xDvWfrpZB9WqTovuzxZNdmolUcfl3nrFwX3OzX1Xxw1vSz7C1DCckCO+l6i"
    "C968sufoEM6jsDvtQMCN8sK/GihMSe03v/8xEQp+8RIwRe5EEDkzZKdRB/j7RJH3dxkXr9s2CBxJX+l+"
    "loSjWUc1JTa7dFJ6lNn/ZsPYjfS5vQHZWIKjLURqvLRE3ajuj1mdM82NZZa6IAd6d8Jvi2EV2XCy9BUb"
    "/myUFq5+0uKFQ1+F/uTCg93mIOP+YC6yPo5rQurNXDik52P/Kggo3+sYdCDmcZsT4AF+s00SdnqCuQNf"
    "VbNT3B0a3UNYEmywHrV5temu8UM5iESloDkJEBgyLRyQRfuINPE5MtTHrZ+VGtMfOa2O28xyysrrQG0e"
    "EqoOzT0bfzhtG4HYHsfKBCp4NV+oz0d7vg3Cpk/endPYTSO15PZcmBgLik+W+7zadFbuJBjmvKc5ri6Z"
    "bc0I8A7pwwVKGXQD4AA="
)

TopK = Annotated[
    int, Query(ge=1, le=MOST_TOP_K, description="How many classes, best first.")
]


class PhotoClass(BaseModel):
    """One class that a photo may show."""

    label: str = Field(description="In English.")
    wnid: str = Field(description="Its WordNet id, as in ImageNet: n07920052.")
    probability: float = Field(ge=0, le=1)


class PhotoPrediction(BaseModel):
    """What one photo shows."""

    classes: list[PhotoClass] = Field(description="The most probable, best first.")
    warning: str | None = Field(
        None, description="Why the answer means little, where it does."
    )


class Photo(ImageEndpoint):
    """What is in the picture?

    Takes photos of any size: JPEG, PNG, WebP, GIF (the first frame), HEIC, AVIF, BMP or
    TIFF. Only the middle is looked at: a square of 7/8 of the short side.
    `top_k` goes into the query. Where even the best class is improbable, a warning says
    so.
    """

    model = "photo"
    task = ImageClassification(size=(SIDE, SIDE), top_k=DEFAULT_TOP_K)
    prediction, label = PhotoPrediction, ""
    read_image, example = staticmethod(read_middle), EXAMPLE
    row_bytes = SIDE * SIDE * 3

    async def ask(
        self, request: Request, version: Version = None, top_k: TopK = DEFAULT_TOP_K
    ) -> Response:
        """See `Endpoint`."""
        call = ModelCall(request, self.model, version)
        return await self.answer(call, Wanted(top_k))

    def predict(
        self, given: Given, outputs: Tensors, contract: Contract, wanted: Wanted
    ) -> list[dict[str, Any]]:
        """See `PhotoPrediction`."""
        top_k = wanted.top_k or DEFAULT_TOP_K
        return [_prediction(row, top_k, contract) for row in outputs[0]]

    def labels(self, predictions: list[dict[str, Any]]) -> list[str]:
        """See `TaskEndpoint`."""
        return [each["classes"][0]["label"] for each in predictions]


PHOTO = Photo()
ENDPOINTS = {PHOTO.model: PHOTO}
router = PHOTO.router()


def _prediction(
    probabilities: np.ndarray, top_k: int, contract: Contract
) -> dict[str, Any]:
    """float32 (1000,) to the fields of `PhotoPrediction`."""
    wnids = contract.constants["wnids"]
    best = np.argsort(-probabilities, kind="stable")[:top_k].tolist()
    classes = [
        {
            "label": contract.labels[index],
            "wnid": wnids[index],
            "probability": round(float(probabilities[index]), 6),
        }
        for index in best
    ]
    limit = contract.constants.get("warn_below", 0)  # version 1 has none
    if probabilities[best[0]] >= limit:
        return {"classes": classes}
    return {"classes": classes, "warning": DOUBTFUL.format(limit)}
