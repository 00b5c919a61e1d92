"""What the endpoints of clothing share: words, bounds, and the way into the decoder."""

from typing import Annotated

import numpy as np

from service.contract.contract import Contract
from service.engine.batching.batcher import Answer
from service.engine.catalog import Catalog
from service.tasks.generation import label_check, label_schema

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


CATEGORY_SCHEMA = label_schema(CATEGORIES)
Category = Annotated[str, label_check(CATEGORIES), CATEGORY_SCHEMA]


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


def output(contract: Contract, signature: str, answer: Answer, name: str) -> np.ndarray:
    """One output of a signature by its name, (rows, ...)."""
    names = [spec.name for spec in contract.signatures[signature].outputs]
    return np.asarray(answer.outputs[names.index(name)])
