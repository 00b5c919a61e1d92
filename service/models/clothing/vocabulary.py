"""What the endpoints of clothing share: words, bounds, and the way into the decoder."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema

from service.contract.contract import Contract
from service.engine.batching.batcher import Answer
from service.engine.catalog import Catalog
from service.web.api.schemas import WHOLE
from service.web.http.wording import show
from service.web.imaging.encode import to_png

VAE, GAN = "clothing_vae", "clothing_gan"
GENERATORS = {"vae": VAE, "gan": GAN}
DECODER, ENCODER = "decode", "encode"  # signatures
CATEGORIES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
)
LARGEST_SCALE = 16
QUICK_PIXELS = 16 * 784  # that are encoded in less time than a thread is called

# An ankle boot from the Fashion-MNIST test set (image 0 of our sample), as PNG.
EXAMPLE_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAABUElEQVR42t3Su0rDYBgG4Pf78ydpDk0r"
    "oQcVPAylaJFOoljciu7i4uCiixfgfQkOTl6Bo5Pgoqhoiya2aWqb/AcHQdA70G98H953+oB/fQYBNhoA"
    "+xETw/y+JzUwxd5vhMJ25xgAqocJwH8OivWVXuMscu7D4PFXkwlvnwpFYtTKY/6NBEYwFE56L06hJ1Wa"
    "WYH3hQQNpQ2Jg/rLqPzWz7kJ5jW+UINxgsRR+yEsO8OiGueksQsOMGhSCpjbc259O8y0CzmVqeqAG1IB"
    "GpWl5mw2LAemrRbN91yxDyNpcYnaouc5y24+YiVHuOOp9VxyY38mrYcc3TlRMaRI/DrZMfONdDSoArFy"
    "bMF3jm+eE5YZlFiqSI4y67VViyF1J6M+v9pc60AkUTSwKGy6gW5f33VtDfE0LBIAf6O5VQk80iq6ubyY"
    "AOcLr0kipqd/65k+AWKCff9NOm1OAAAAAElFTkSuQmCC"
)


def _check_category(value: Any) -> str:
    if not isinstance(value, str) or value not in CATEGORIES:
        raise ValueError(
            f"expected one of {', '.join(CATEGORIES)}; received {show(value)}"
        )
    return value


CATEGORY_SCHEMA = WithJsonSchema({"type": "string", "enum": [*CATEGORIES]})
Category = Annotated[str, BeforeValidator(_check_category), CATEGORY_SCHEMA]
Scale = Annotated[
    int,
    Field(
        ge=1,
        le=LARGEST_SCALE,
        description="Every pixel is drawn so many times as wide and as high.",
    ),
    WHOLE,
]


def latent_dims(contract: Contract) -> int:
    """The length of this version's latent vectors."""
    length = contract.signatures[DECODER].inputs[0].shape[1]
    assert length is not None  # only rows are free  # noqa: S101
    return length


def newest_latent_dims(catalog: Catalog) -> int | None:
    """The length of the newest version's latent vectors; None while there is none."""
    model = catalog.models.get(VAE)
    newest = model.default if model else None
    return latent_dims(newest.contract) if newest and newest.contract else None


def weigh(categories: Sequence[str]) -> np.ndarray:
    """Names of categories to float32 (rows, 10), 1 for the category, else 0."""
    indices = [CATEGORIES.index(name) for name in categories]
    return np.eye(len(CATEGORIES), dtype=np.float32)[indices]


def output(contract: Contract, signature: str, answer: Answer, name: str) -> np.ndarray:
    """One output of a signature by its name, (rows, ...)."""
    names = [spec.name for spec in contract.signatures[signature].outputs]
    return np.asarray(answer.outputs[names.index(name)])


def to_base64(pixels: np.ndarray, scale: int = 1) -> str:
    """A PNG of uint8 (height, width), in base64."""
    return base64.b64encode(to_png(pixels, scale)).decode()


def is_much(images: int, scale: int) -> bool:
    """Whether so many images are to be encoded in a thread."""
    return images * scale**2 * 784 > QUICK_PIXELS
