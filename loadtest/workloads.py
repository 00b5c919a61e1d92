"""The endpoints that a test can load: one line of a table for each."""

import base64
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

import httpx

from loadtest import samples
from loadtest.samples import Sample

JSON = "application/json"
MULTIPART = "multipart/form-data; boundary=servery-loadtest-8b1f6c"  # in no file


class ImageForm(StrEnum):
    """How a picture is sent: in one of the three ways that the service reads."""

    RAW = "raw"
    """The file is the body, as image/png or image/jpeg."""

    MULTIPART = "multipart"
    """As a browser's form or `curl -F file=@…` sends it."""

    JSON = "json"
    """In base64."""


@dataclass(frozen=True, slots=True)
class Body:
    """What one request carries."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What is sent to one endpoint.

    Attributes:
        name: In a mix.
        weight: Its share in the default mix, relative to the others.
        path: Of the endpoint.
        about: What is sent, in a few words.
        samples: Given the models that are ready, what is sent.
        models: Any one of these must be ready.
    """

    name: str
    weight: float
    path: str
    about: str
    samples: Callable[[Collection[str]], list[Sample]]
    models: tuple[str, ...]

    def is_ready(self, ready: Collection[str]) -> bool:
        """Whether a model is ready that answers this workload."""
        return any(model in ready for model in self.models)

    def make(self, ready: Collection[str], form: ImageForm) -> list[Body]:
        """The bodies to choose from, for these ready models and this form of images."""
        return [encode(sample, form) for sample in self.samples(ready)]


def encode(sample: Sample, form: ImageForm) -> Body:
    """A sample as the body of a request."""
    if isinstance(sample, dict):
        return Body(json.dumps(sample).encode(), JSON)
    if form is ImageForm.JSON:
        return encode({"image": base64.b64encode(sample).decode()}, form)
    kind = "image/png" if sample.startswith(b"\x89PNG") else "image/jpeg"
    if form is ImageForm.RAW:
        return Body(sample, kind)
    file, headers = {"file": ("image", sample, kind)}, {"content-type": MULTIPART}
    request = httpx.Request("POST", "http://localhost", files=file, headers=headers)
    return Body(request.read(), MULTIPART)


def _predict(
    name: str,
    weight: float,
    about: str,
    samples: Callable[[Collection[str]], list[Sample]],
) -> Workload:
    return Workload(name, weight, f"/v1/predict/{name}", about, samples, (name,))


WORKLOADS = {
    each.name: each
    for each in (
        _predict("digits", 60, "257 handwritten digits of MNIST", samples.digits),
        _predict(
            "sentiment", 20, "96 texts about films, as long as reviews", samples.texts
        ),
        _predict("party", 10, "the votes of 48 members of the US House", samples.votes),
        _predict("mammogram", 10, "the findings on 42 masses", samples.masses),
        _predict("photo", 5, "3 photographs", samples.photos),
        Workload(
            *("clothing", 5, "/v1/generate/clothing", "1, 4 or 16 pictures of clothes"),
            samples.clothing,
            models=("clothing_gan", "clothing_vae"),
        ),
    )
}
