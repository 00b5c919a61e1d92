# mypy: disable-error-code="import-not-found, attr-defined", allow-untyped-decorators
"""Ray Serve: a proxy that speaks HTTP, and replicas that decode, batch and compute.

Computing in a thread of the replica's was tried and is no faster here.
"""

import signal
import threading

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig
from starlette.requests import Request

from benchmarks.peers.rows import WORK, Prediction, Row, read_port, read_setting

QUIET = LoggingConfig(enable_access_log=False)


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.1})
class Predictor:
    """One model."""

    def __init__(self, name: str):
        from benchmarks.peers.model import load_model

        self._model = load_model(name)
        self._predict.set_max_batch_size(WORK[name].largest_batch)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0)
    async def _predict(self, rows: list[Row]) -> list[Prediction]:
        return self._model.predict(rows)

    async def __call__(self, request: Request) -> dict[str, list[Prediction]]:
        """A request to its answer; GET only says that the model is there."""
        if request.method == "GET":
            return {"predictions": []}
        row = self._model.work.parse(await request.json())
        return {"predictions": [await self._predict(row)]}


def main() -> None:
    """Serve every model until told to end."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    setting = read_setting()
    ray.init(include_dashboard=False, _node_ip_address="127.0.0.1")
    serve.start(http_options=HTTPOptions(host="127.0.0.1", port=read_port()))
    for name in setting.models:
        deployment = Predictor.options(
            num_replicas=setting.workers, logging_config=QUIET
        )
        serve.run(deployment.bind(name), name=name, route_prefix=f"/{name}")
    stop.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
