# mypy: disable-error-code="import-not-found", allow-subclassing-any
"""mosec: a front in Rust forms the batches, processes of Python decode and compute.

A stage of its own for decoding was tried: the rows cross one more socket, and the CPU
time of a request nearly doubles.
"""

import os

from mosec import Server, Worker
from mosec.errors import ValidationError

from benchmarks.peers.rows import WORK, Prediction, Row, read_setting


class Predictor(Worker):
    """One model in a process, whose environment says which."""

    def __init__(self) -> None:
        super().__init__()
        from benchmarks.peers.model import load_model  # not where batches are formed

        self._model = load_model(os.environ["PEER_MODEL"])

    def deserialize(self, data: bytes) -> Row:
        """JSON to a row."""
        try:
            return self._model.work.parse(super().deserialize(data))
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise ValidationError(f"expected a picture or a text: {error}") from error

    def forward(self, data: list[Row]) -> list[dict[str, list[Prediction]]]:
        """A batch of rows to their answers."""
        return [{"predictions": [each]} for each in self._model.predict(data)]


def main() -> None:
    """Serve every model at a path of its own; mosec reads the command line."""
    server = Server()
    setting = read_setting()
    for name in setting.models:
        server.append_worker(
            Predictor,
            num=setting.workers,
            max_batch_size=WORK[name].largest_batch,
            env=[{"PEER_MODEL": name}] * setting.workers,
            route=f"/{name}",
        )
    server.run()


if __name__ == "__main__":
    main()
