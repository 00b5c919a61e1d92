"""Fashion-MNIST: 70,000 grey photographs of clothing, the data of the generators.

Xiao, Rasul and Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms", 2017: catalogue pictures of an online shop, turned grey, light on
black, and fitted into 28×28; 6,000 of each category to train, 1,000 to test.
"""

from pathlib import Path

from service.contract.manifest import Data
from training.datasets.fetch import DEFAULT_DATA_DIR, Source, Website
from training.datasets.idx import ImageSet, load_images
from training.datasets.registries import DEBIAN, Package

LICENCE = "MIT (Zalando SE)"
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
SHA256 = {
    "train-images-idx3-ubyte": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
_FOLDER = "usr/share/datasets/fashion-mnist"
SOURCES: tuple[Source, ...] = (
    # Plain http is all it speaks; what comes is checked.
    Website("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"),
    Website("https://storage.googleapis.com/tensorflow/tf-keras-datasets"),
    Package(
        DEBIAN,
        "dataset-fashion-mnist",
        {name: f"{_FOLDER}/{name}.gz" for name in SHA256},
    ),
)


def load(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = SOURCES
) -> ImageSet:
    """Load Fashion-MNIST from `data_dir/fashion-mnist`, fetching what is missing.

    Labels are indices into `CATEGORIES`.

    Raises:
        CorruptedData: A file there is not Fashion-MNIST's.
        DataUnavailable: A file is missing and no source could be reached.
    """
    return load_images(SHA256, sources, data_dir / "fashion-mnist")


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on; `rows` by split."""
    return Data(
        name="Fashion-MNIST",
        source="https://github.com/zalandoresearch/fashion-mnist",
        licence=LICENCE,
        sha256=SHA256,
        rows=rows,
    )
