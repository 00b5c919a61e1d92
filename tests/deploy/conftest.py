"""The real service, asked real things, watched by a real Prometheus."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.deploy.prometheus_server import Prometheus, find
from tests.e2e.server import Server
from tests.e2e.test_operations import metric

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
SAMPLE = Path(__file__).parents[1] / "data" / "mnist_sample.npz"


@dataclass(frozen=True, slots=True)
class Watched:
    """The service, and who watches it."""

    server: Server
    prometheus: Prometheus
    image: bytes

    def ask(self) -> None:
        """A good request to three models, and a bad one."""
        post = self.server.client.post
        image = {"file": self.image}
        assert post("/v1/predict/digits", files=image).status_code == 200
        text = {"text": "A fine film."}
        assert post("/v1/predict/sentiment", json=text).status_code == 200
        assert post("/v1/predict/sentiment", json={}).status_code == 422
        assert post("/v1/generate/review", json={"length": 9}).status_code == 200

    def ask_on_a_new_connection(self) -> None:
        """A good request to digits."""
        headers = {"connection": "close", "content-type": "image/png"}
        path = "/v1/predict/digits"
        answer = self.server.client.post(path, content=self.image, headers=headers)
        assert answer.status_code == 200

    def counted(self, model: str) -> float:
        """The predictions of a model that the service itself has counted."""
        return metric(self.server, "servery_predictions_total", model=model)

    def has(self, expr: str) -> bool:
        """Ask the service once more, and whether the query has a value by now."""
        self.ask()
        return bool(self.prometheus.query(expr))


@pytest.fixture(scope="package")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    find("prometheus")
    folder = tmp_path_factory.mktemp("watched")
    artifacts = folder / "artifacts"
    artifacts.mkdir()
    for model in ("digits", "sentiment", "writer"):
        (artifacts / model).symlink_to(ARTIFACTS / model, target_is_directory=True)
    log = folder / "server.log"
    drift = {"drift_share": 0.5, "drift_folder": folder / "drift"}
    with Server(log, http_processes=2, artifacts=artifacts, **drift) as server:
        server.wait_ready()
        target = server.url.removeprefix("http://")
        with Prometheus(folder, target) as prometheus:
            yield Watched(server, prometheus, digit())


def digit() -> bytes:
    """An MNIST test image, as PNG."""
    file = io.BytesIO()
    with np.load(SAMPLE) as data:
        Image.fromarray(data["images"][0]).save(file, "PNG")
    return file.getvalue()
