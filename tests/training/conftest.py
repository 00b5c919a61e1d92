"""A real web server and a sample of real digits, for the tests of training."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from keras.src.trainers import trainer

from training.core.split import Rows
from training.datasets.idx import ImageSet

DATA = Path(__file__).parent.parent / "data"


@dataclass(frozen=True)
class Site:
    """A folder that is served over HTTP while the test runs."""

    folder: Path
    url: str


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing; a test's output is for failures."""


@pytest.fixture(scope="session", autouse=True)
def _without_xla() -> Iterator[None]:
    """Train as in earnest: `make_repeatable`, which tests leave out, rules XLA out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "model_supports_jit", lambda model: False)
        yield


@contextmanager
def untraced() -> Iterator[None]:
    """Keras takes its steps one by one: where they are few, to trace takes longer."""
    compile_model = keras.Model.compile

    def compile_eagerly(model: keras.Model, *args: Any, **options: Any) -> None:
        compile_model(model, *args, **options, run_eagerly=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", compile_eagerly)
        yield


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Silent, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield Site(folder, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Sample:
    """(257, 28, 28) uint8 and (257,) uint8: every 39th of MNIST's test images."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def mnist_sample() -> Sample:
    with np.load(DATA / "mnist_sample.npz") as file:
        return Sample(file["images"], file["labels"])


@pytest.fixture(scope="session")
def fashion_sample() -> Rows:
    """(200, 28, 28) uint8: test images of Fashion-MNIST, twenty of each category."""
    with np.load(DATA / "fashion_sample.npz") as file:
        return Rows(file["images"], file["labels"])


@pytest.fixture(scope="session")
def fashion_data(fashion_sample: Rows) -> ImageSet:
    """The sample as a whole data set, its test images those it is trained on."""
    labels = fashion_sample.labels.astype(np.uint8)
    return ImageSet(*[fashion_sample.inputs, labels] * 2)
