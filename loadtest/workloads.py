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
    """How a picture is sent."""

    RAW = "raw"  # the file is the body
    MULTIPART = "multipart"  # as a browser's form or `curl -F file=@…` sends it
    JSON = "json"  # in base64


@dataclass(frozen=True, slots=True)
class Body:
    """What one request carries."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Workload:
    """What is sent to one endpoint.

    Attributes:
        name: In a mix, and in the path.
        weight: Its share in the default mix, relative to the others.
        about: What is sent, in a few words.
        samples: Given the models that are ready, what is sent.
        task: The part of the path before the name.
        models: One of which must be ready; () = the one of this name.
    """

    name: str
    weight: float
    about: str
    samples: Callable[[Collection[str]], list[Sample]]
    task: str = "predict"
    models: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Of the endpoint."""
        return f"/v1/{self.task}/{self.name}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Models one of which must be ready."""
        return self.models or (self.name,)

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


_TABLE = (
    Workload("digits", 60, "257 handwritten digits of MNIST", samples.digits),
    Workload("sentiment", 20, "96 texts on films, as long as reviews", samples.texts),
    Workload("party", 10, "the votes of 48 members of the US House", samples.votes),
    Workload("mammogram", 10, "the findings on 42 masses", samples.masses),
    Workload("photo", 5, "3 photographs", samples.photos),
    Workload(
        *("clothing", 5, "1, 4 or 16 pictures of clothes", samples.clothing),
        *("generate", ("clothing_gan", "clothing_vae")),
    ),
)
WORKLOADS = {each.name: each for each in _TABLE}
