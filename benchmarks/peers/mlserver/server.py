# mypy: ignore-missing-imports, allow-subclassing-any
"""MLServer: FastAPI and its batches in one process, models there or in a pool."""

import asyncio
import os

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.peers.rows import WORK
from benchmarks.peers.setting import read_port, read_setting

W = float(os.environ.get("W", "1")) / 1000
POOL = int(os.environ.get("POOL", "0"))


class Predictor(MLModel):
    """One model."""

    async def load(self) -> bool:
        """Load it, in whichever process computes."""
        from benchmarks.peers.model import load_model

        self._model = load_model(self.name)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """A batch of base64 or texts to their answers."""
        if os.environ.get("DIRECT"):
            return self._predict(payload)
        return await asyncio.to_thread(self._predict, payload)

    def _predict(self, payload: InferenceRequest) -> InferenceResponse:
        values = self.decode(payload.inputs[0])
        work = WORK[self.name]
        if work.field == "text":
            rows = [v.encode() for v in values]
        else:
            rows = [work.read(v) for v in values]
        predictions = self._model.predict(rows)
        outputs = [
            NumpyCodec.encode_output(
                name, np.array([p[name] for p in predictions]).reshape(len(rows), -1)
            )
            for name in predictions[0]
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def main() -> None:
    """Serve every model."""
    setting = read_setting()
    port = read_port()
    server = MLServer(
        Settings(
            host="127.0.0.1",
            http_port=port,
            grpc_port=port + 1,
            metrics_endpoint=None,
            parallel_workers=POOL,
            debug=False,
        )
    )
    await server.start(
        [
            ModelSettings(
                name=name,
                implementation=Predictor,
                max_batch_size=WORK[name].largest_batch,
                max_batch_time=W,
            )
            for name in setting.models
        ]
    )


if __name__ == "__main__":
    asyncio.run(main())
