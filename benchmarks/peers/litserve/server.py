# mypy: disable-error-code="import-not-found", allow-subclassing-any
"""LitServe: FastAPI in one process, batches and models in others, queues between.

Its faster queue, ZeroMQ, was tried: no difference that shows here.
"""

import signal

import litserve

from benchmarks.peers.rows import WORK, Prediction, Row, read_port, read_setting

# With none, its worker polls without a pause, nine tenths of a core while idle; 2 and
# 5 ms answer fewer requests than 1 ms.
WAIT_S = 0.001


class Api(litserve.LitAPI):
    """One model at a path of its own."""

    def __init__(self, name: str):
        super().__init__(
            max_batch_size=WORK[name].largest_batch,
            batch_timeout=WAIT_S,
            api_path=f"/{name}",
        )
        self._name = name

    def setup(self, device: str) -> None:
        """Load the model, in the process that computes."""
        from benchmarks.peers.model import load_model  # not where HTTP is

        self._model = load_model(self._name)

    def decode_request(self, request: dict[str, str]) -> Row:
        """A JSON object to a row."""
        return WORK[self._name].parse(request)

    def batch(self, inputs: list[Row]) -> list[Row]:
        """Rows as they are; the model stacks them."""
        return inputs

    def predict(self, x: list[Row]) -> list[Prediction]:
        """A batch of rows to what they show."""
        return self._model.predict(x)

    def unbatch(self, output: list[Prediction]) -> list[Prediction]:
        """One prediction for each request."""
        return output

    def encode_response(self, output: Prediction) -> dict[str, list[Prediction]]:
        """The body of an answer."""
        return {"predictions": [output]}


def main() -> None:
    """Serve every model, and end all processes when told to end.

    LitServe ends its processes on Ctrl-C only; a TERM would leave them behind.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setting = read_setting()
    server = litserve.LitServer(
        [Api(name) for name in setting.models],
        accelerator="cpu",
        devices=1,
        workers_per_device=setting.workers,
    )
    server.run(
        host="127.0.0.1",
        port=read_port(),
        num_api_servers=1,  # a second takes from the model what it gives to HTTP
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
