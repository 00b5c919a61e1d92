# mypy: disable-error-code="import-not-found", allow-subclassing-any
"""MLServer: FastAPI and the batches in one process, models there or in a pool.

Batches of requests in base64 are decoded with the model: its batcher merges what came,
not what was decoded. One worker computes where HTTP is: a pool of one answered a tenth
fewer, with a shorter tail, in one short run each.
"""

import asyncio

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.rows import WORK, Work, read_port, read_setting

# Of 0, 1, 2 and 5 ms this answered most; 0 answered half as many.
WAIT_S = 0.001


class Predictor(MLModel):
    """One model, in whichever process computes."""

    async def load(self) -> bool:
        """Load it, warm."""
        from benchmarks.peers.model import load_model

        self._model = load_model(self.name)
        self._work: Work = self._model.work
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """A batch of pictures or texts to their answers."""
        values = self.decode(payload.inputs[0])
        is_text = self._work.field == "text"
        rows = [v.encode() if is_text else self._work.read(v) for v in values]
        predictions = self._model.predict(rows)
        outputs = [
            NumpyCodec.encode_output(
                name,
                np.array([each[name] for each in predictions]).reshape(len(rows), -1),
            )
            for name in predictions[0]
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def main() -> None:
    """Serve every model, without what nobody asks for here."""
    setting, port = read_setting(), read_port()
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=port + 1,  # gRPC cannot be turned off
        metrics_endpoint=None,
        parallel_workers=setting.workers if setting.workers > 1 else 0,
        debug=False,
    )
    models = [
        ModelSettings(
            name=name,
            implementation=Predictor,
            max_batch_size=WORK[name].largest_batch,
            max_batch_time=WAIT_S,
        )
        for name in setting.models
    ]
    await MLServer(settings).start(models)


if __name__ == "__main__":
    asyncio.run(main())
