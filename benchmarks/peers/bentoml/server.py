# mypy: disable-error-code="import-not-found, attr-defined", allow-untyped-decorators
"""BentoML: one service, whose dispatcher learns how long a batch takes.

A batched method takes a list, and so does its request: of one. The dispatcher
waits as long as it finds worth it; there is no wait to be set. Each worker of several
forms batches of its own.
"""

import os
from typing import Any

import bentoml

from benchmarks.peers.rows import WORK, Prediction, read_port, read_setting


@bentoml.service(
    workers=int(os.environ.get("PEER_WORKERS", "1")),
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},
)
class Peer:
    """Every model that the setting names."""

    def __init__(self) -> None:
        from benchmarks.peers.model import load_model

        self._models = {name: load_model(name) for name in read_setting().models}

    @bentoml.api(batchable=True, max_batch_size=WORK["digits"].largest_batch)
    def digits(self, image: list[str]) -> list[dict[str, Any]]:
        """Pictures of 28×28 pixels, in base64."""
        return self._predict("digits", image)

    @bentoml.api(batchable=True, max_batch_size=WORK["photo"].largest_batch)
    def photo(self, image: list[str]) -> list[dict[str, Any]]:
        """Photos, in base64."""
        return self._predict("photo", image)

    @bentoml.api(batchable=True, max_batch_size=WORK["sentiment"].largest_batch)
    def sentiment(self, text: list[str]) -> list[dict[str, Any]]:
        """Texts about films."""
        return self._predict("sentiment", text)

    def _predict(self, name: str, texts: list[str]) -> list[Prediction]:
        work = WORK[name]
        rows = [work.parse({work.field: each}) for each in texts]
        return self._models[name].predict(rows)


if __name__ == "__main__":
    Peer.serve_http(host="127.0.0.1", port=read_port(), threaded=False)
