"""Version 1's LSTM and vocabulary, to begin with: it has read the reviews for an hour.

It was trained on the same training reviews, without the same validation reviews, as
every later version is; so what it knows is nothing that these may not know.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from service.contract.saved_model import FILENAME
from training.models.sentiment.block_lstm import reorder_gates
from training.models.sentiment.lstm import SPANS

FOLDER = Path(__file__).parents[3] / "artifacts" / "sentiment" / "1"
_LEAST_WORDS = 1000  # of a vocabulary; the graph has short lists of strings too


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a version has learned.

    Attributes:
        words: its vocabulary, by id.
        vectors: (ids, width) float32.
        weights: by the name of the variable, without `:0`.
    """

    words: tuple[bytes, ...]
    vectors: npt.NDArray[np.float32]
    weights: dict[str, npt.NDArray[np.float32]]

    def fill(self, body: Any) -> None:
        """Copy its weights into the first reader of `lstm.build_body`."""
        name, given = f"span{SPANS[0]}", self.weights
        phrases = [given["phrases/kernel"], given["phrases/bias"]]
        body.get_layer(f"{name}_phrases").set_weights(phrases)
        steps = []
        for direction in ("forward", "backward"):
            cell = f"lstm/{direction}_lstm/lstm_cell"
            kernels = [given[f"{cell}/kernel"], given[f"{cell}/recurrent_kernel"]]
            steps.append(reorder_gates(np.concatenate(kernels)))
            steps.append(reorder_gates(given[f"{cell}/bias"]))
        body.get_layer(f"{name}_lstm").set_weights(steps)
        logit = [given["logit/kernel"], given["logit/bias"]]
        body.get_layer(f"{name}_logit").set_weights(logit)


def load_earlier(folder: Path = FOLDER) -> Earlier:
    """Read a version's SavedModel."""
    saved = tf.saved_model.load(str(folder))
    read = [(each.name, each.numpy().astype(np.float32)) for each in saved.weights]
    weights = {name.removesuffix(":0"): values for name, values in read}
    vectors = next(values for _, values in read if _is_embedding(values))
    return Earlier(_read_words(folder), vectors, weights)


def _is_embedding(weights: npt.NDArray[np.float32]) -> bool:
    return weights.ndim == 2 and len(weights) > _LEAST_WORDS


def _read_words(folder: Path) -> tuple[bytes, ...]:
    """The only long list of strings in its graph."""
    from tensorflow.core.protobuf import saved_model_pb2

    read = saved_model_pb2.SavedModel()
    read.ParseFromString((folder / FILENAME).read_bytes())
    for node in read.meta_graphs[0].graph_def.node:
        strings = node.attr["value"].tensor.string_val
        if node.op == "Const" and len(strings) > _LEAST_WORDS:
            return tuple(strings)
    raise ValueError(f"{folder}: expected a vocabulary in the graph, received none")
