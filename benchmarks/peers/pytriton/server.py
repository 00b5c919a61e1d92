# mypy: disable-error-code="import-not-found, no-any-return", allow-untyped-decorators
"""Triton with its Python back end: HTTP and batches in C++, the model in Python.

Workers are functions of this one process, as pytriton has it: they share its
interpreter. Of 0, 1 and 2 ms of waiting for more requests, 2 ms answered most digits at
32 connections, in one short run each.
"""

import signal
from collections.abc import Callable

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.model import load_model
from benchmarks.peers.rows import WORK, read_port, read_setting

OUTPUTS = {
    "digits": [
        Tensor(name="digit", dtype=np.int64, shape=(1,)),
        Tensor(name="confidence", dtype=np.float32, shape=(1,)),
        Tensor(name="probabilities", dtype=np.float32, shape=(10,)),
    ],
    "photo": [
        Tensor(name="classes", dtype=np.int64, shape=(5,)),
        Tensor(name="probabilities", dtype=np.float32, shape=(5,)),
    ],
    "sentiment": [Tensor(name="probability", dtype=np.float32, shape=(1,))],
}


def build_infer(name: str) -> Callable[..., dict[str, np.ndarray]]:
    """A function of one batch, with a model of its own."""
    model = load_model(name)
    work = WORK[name]

    @batch
    def infer(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        texts = inputs[work.field][:, 0]
        rows = [work.parse({work.field: each.decode()}) for each in texts]
        predictions = model.predict(rows)
        return {
            output.name: np.array(
                [each[output.name] for each in predictions], output.dtype
            ).reshape(len(rows), -1)
            for output in OUTPUTS[name]
        }

    return infer


def main() -> None:
    """Serve every model, and end Triton too when told to end, as on Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    setting = read_setting()
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=read_port(),
        allow_grpc=False,
        allow_metrics=False,
    )
    with Triton(config=config) as triton:
        for name in setting.models:
            work = WORK[name]
            triton.bind(
                model_name=name,
                infer_func=[build_infer(name) for _ in range(setting.workers)],
                inputs=[Tensor(name=work.field, dtype=np.bytes_, shape=(1,))],
                outputs=OUTPUTS[name],
                config=ModelConfig(
                    max_batch_size=work.largest_batch,
                    batcher=DynamicBatcher(max_queue_delay_microseconds=2000),
                ),
            )
        triton.serve()


if __name__ == "__main__":
    main()
