"""One real server for all tests that leave it as it was."""

import base64
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.engine.disk import find_versions
from tests.e2e.server import Server, free_port

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
DIGITS = ARTIFACTS / "digits"
DIGITS_VERSIONS = find_versions(ARTIFACTS)["digits"]
NEWEST_DIGITS = DIGITS_VERSIONS[-1]
SAMPLE = Path(__file__).parents[1] / "data" / "mnist_sample.npz"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The models that somebody asks here: to load and compare all takes long."""
    folder = tmp_path_factory.mktemp("server")
    for model in ("digits", "sine", "churn"):
        (folder / model).symlink_to(ARTIFACTS / model, target_is_directory=True)
    started = Server(
        tmp_path_factory.mktemp("log") / "log",
        artifacts=folder,
        grpc_port=free_port(),
        max_body_bytes=2_000_000,
        max_image_pixels=20_000_000,
        http_processes=2,
        versions_kept=len(DIGITS_VERSIONS),
    )
    with started:
        started.wait_ready()
        yield started
        assert started.stop() == 0


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Every model that is shipped; photo, which is not, is missing. For slow tests."""
    folder = tmp_path_factory.mktemp("shipped")
    for model in ARTIFACTS.iterdir():
        if model.name != "photo":
            (folder / model.name).symlink_to(model, target_is_directory=True)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=folder) as started:
        started.wait_ready()
        yield started


@contextmanager
def serving_alone(
    model: str, tmp_path_factory: pytest.TempPathFactory, **settings: Any
) -> Iterator[Server]:
    """Serve one of our models and no other; skip where no version is published."""
    if not (ARTIFACTS / model).is_dir():
        pytest.skip(f"no version of {model} is published yet")
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / model).symlink_to(ARTIFACTS / model, target_is_directory=True)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=folder, **settings) as started:
        started.wait_ready()
        yield started


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of artifacts with one version, so that a server is there soon."""
    folder = tmp_path_factory.mktemp("artifacts")
    shutil.copytree(DIGITS / "2", folder / "digits" / "2")
    return folder


@pytest.fixture(scope="session")
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Real MNIST test images, (rows, 28, 28) uint8, and what they show, (rows,)."""
    with np.load(SAMPLE) as data:
        return data["images"], data["labels"]


@pytest.fixture(scope="session")
def seven(sample: tuple[np.ndarray, np.ndarray]) -> bytes:
    """A handwritten seven, as PNG."""
    images, labels = sample
    return to_png(images[int(np.flatnonzero(labels == 7)[0])])


def to_png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
