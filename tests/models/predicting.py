"""The real application and the real engine, in this process."""

import asyncio
import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import tensorflow as tf
from PIL import Image
from prometheus_client import CollectorRegistry

from service.contract.contract import Contract
from service.contract.manifest import read_manifest
from service.contract.policy import ModelPolicy
from service.engine.compute.runtime import Loaded
from service.engine.compute.tensorflow_runtime import TensorFlowModel
from service.engine.engine import Engine
from service.metrics import Metrics
from service.settings import Settings
from service.web.app import create_app
from service.web.state import AppState

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


def accepted(response: httpx.Response) -> dict[str, Any]:
    """The JSON of an answer to what was right."""
    assert response.status_code == 200, response.text
    facts: dict[str, Any] = response.json()
    return facts


def refused(response: httpx.Response, status: int, code: str) -> str:
    """The JSON, as text, of an answer to what was wrong in this way."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body["code"] == code
    return json.dumps(body, ensure_ascii=False)


def read_png(png: str | bytes) -> np.ndarray:
    """The pixels of a PNG, which as text is in base64."""
    data = base64.b64decode(png) if isinstance(png, str) else png
    return np.asarray(Image.open(io.BytesIO(data)))


class CpuLoader:
    """Loads as `Runtime` does, but leaves TensorFlow's settings to the other tests."""

    def is_quick(self, *_: object) -> bool:
        return True

    def expect_others(self) -> None:
        pass

    def release(self) -> None:
        pass

    def recheck(self, unchanged: object) -> list[tuple[str, int]]:
        return []

    def load(self, folder: Path, contract: Contract, policy: ModelPolicy) -> Loaded:
        with tf.device("/CPU:0"):
            saved = tf.saved_model.load(str(folder))
        model = TensorFlowModel(saved, contract, "/CPU:0")
        return Loaded(model, warm_s=model.warm())


class Application:
    """The whole application around the models in a folder.

    Args:
        artifacts: the folder of all models.
        settings: others than the defaults.
    """

    def __init__(self, artifacts: Path, **settings: Any):
        chosen = Settings(artifacts=artifacts, **{"max_request_rows": 64} | settings)
        metrics = Metrics(CollectorRegistry())
        self._engine = Engine(chosen, metrics, CpuLoader)
        self._state = AppState(chosen, self._engine, metrics)
        self._app = create_app(self._state)
        self._runner = asyncio.Runner()
        self._runner.run(self._engine.start())

    def close(self) -> None:
        """End the engine and the loop."""
        self._runner.run(self._engine.stop())
        self._state.close()
        self._runner.close()

    def ask(self, path: str, method: str = "POST", **request: Any) -> httpx.Response:
        """The answer to a request, in httpx's own words."""
        (answer,) = self.ask_all([(path, request)], method)
        return answer

    def get(self, path: str) -> httpx.Response:
        """The answer to a GET."""
        return self.ask(path, "GET")

    def ask_all(
        self, requests: Sequence[tuple[str, dict[str, Any]]], method: str = "POST"
    ) -> list[httpx.Response]:
        """The answers to requests that come at the same time."""

        async def send() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://test"
            ) as client:
                calls = [
                    client.request(method, path, **each) for path, each in requests
                ]
                return await asyncio.gather(*calls)

        return self._runner.run(send())


class Service(Application):
    """One shipped model, behind its endpoint.

    Args:
        model: its name; the newest version that is shipped is served.
        folder: an empty one.
    """

    def __init__(self, model: str, folder: Path, **settings: Any):
        (folder / model).symlink_to(ARTIFACTS / model, target_is_directory=True)
        self.path = f"/v1/predict/{model}"
        versions = (ARTIFACTS / model).glob("[0-9]*")
        self.manifest = read_manifest(max(versions, key=lambda each: int(each.name)))
        super().__init__(folder, **settings)

    def post(self, body: Any = None, content: bytes | None = None) -> httpx.Response:
        """The answer to a body, of JSON or of any bytes that claim to be."""
        if content is None:
            return self.ask(self.path, json=body)
        headers = {"content-type": "application/json"}
        return self.ask(self.path, content=content, headers=headers)

    def predict(self, body: Any) -> list[dict[str, Any]]:
        """The predictions for a body that is right."""
        response = self.post(body)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["model"] == self.manifest.name
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    def refuse(self, body: Any) -> dict[str, Any]:
        """The error for a body that is wrong."""
        response = self.post(body)
        assert response.status_code == 422, response.text
        error: dict[str, Any] = response.json()
        assert error["code"] == "invalid_input"
        return error
