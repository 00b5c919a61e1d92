"""The SavedModels, called in the same way by every peer.

Whatever TensorFlow is told, its threads and its precision, is told here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.peers.rows import WORK, Prediction, Row, read_setting


class Model:
    """A SavedModel, called as TensorFlow's own guide does."""

    def __init__(self, name: str, folder: Path):
        self.work = WORK[name]
        self._saved_model = tf.saved_model.load(str(folder))
        self._function = self._saved_model.signatures["serving_default"]
        inputs = self._function.structured_input_signature[1]
        ((self._input, self._spec),) = inputs.items()
        outputs = self._function.structured_outputs
        self._output = "probabilities" if "probabilities" in outputs else "probability"

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Ask about 1 to `largest_batch` rows, as `Work.parse` makes them."""
        return [self.work.answer(row) for row in self.compute(rows)]

    def compute(self, rows: Sequence[Row]) -> np.ndarray:
        """The same, as the model's own output: float32 (rows, …)."""
        batch = tf.constant(np.stack(rows) if self._is_picture else list(rows))
        outputs = self._function(**{self._input: batch})
        return np.asarray(outputs[self._output].numpy())

    def warm(self) -> None:
        """Compute every size of a batch once, so that callers need not wait for it.

        oneDNN prepares each on its first call; batches are therefore not padded.
        """
        shape = [dim or 1 for dim in self._spec.shape[1:]]
        row = np.zeros(shape, np.uint8) if self._is_picture else b"good"
        for size in range(1, self.work.largest_batch + 1):
            self.compute([row] * size)

    @property
    def _is_picture(self) -> bool:
        return self.work.field == "image"


def load_model(name: str) -> Model:
    """One of those in the setting, warm, with as many threads as the setting says."""
    setting = read_setting()
    tf.config.threading.set_intra_op_parallelism_threads(setting.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = Model(name, setting.models[name])
    model.warm()
    return model
