"""Train y = sin x: the smallest model that learns something, in one file.

    x from -π to π, with noise on y ──▶ two layers of 32 ──▶ artifacts/sine/<n>

Read it from top to bottom: data, network, training, test, export. Nothing else is
written to have it served: the declared task is its typed endpoint, the tensors of its
signature its interface for the protocols.
"""

import logging
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from service.contract.manifest import Data
from service.contract.signature import TensorSpec
from service.contract.table import TableField
from service.contract.task import Example, TabularRegression
from training.core import provenance
from training.core.export import DEFAULT_SIGNATURE, Card, Function, export_version
from training.core.fitting import make_repeatable
from training.core.options import RunOptions

log = logging.getLogger(__name__)

ROWS = 2000
BATCH_ROWS = 100
EPOCHS = 200
NOISE = 0.05  # standard deviation of what is added to y
Floats = npt.NDArray[np.float32]


def train(options: RunOptions) -> None:
    """Y = sin x by two small layers. A minute, most of it imports."""
    make_repeatable(options.seed)
    run = provenance.begin_run(options.seed)
    x, y = make_data(ROWS, options.seed)
    model = build()
    epochs = options.epochs or (20 if options.quick else EPOCHS)
    cooling = keras.optimizers.schedules.CosineDecay(0.01, epochs * ROWS // BATCH_ROWS)
    model.compile(optimizer=keras.optimizers.Adam(cooling), loss="mse")
    model.fit(x, y, batch_size=BATCH_ROWS, epochs=epochs, verbose=0)

    figures = measure(model)
    data = Data(
        name="sin x with noise",
        source="computed by this file",
        licence="none needed",
        sha256={},
        rows={"train": ROWS, "test": figures["rows"]},
    )
    ran = run.finish(
        (data,),
        epochs,
        {"batch_size": BATCH_ROWS, "learning_rate": 0.01, "noise": NOISE},
    )
    card = Card(
        name="sine",
        task=TabularRegression(
            fields=(TableField(name="x", kind="number", unit="radians"),),
            examples=(Example(title="A quarter", request={"record": {"x": 1.5708}}),),
        ),
        description=(
            "sin x, as a network of two layers of 32 learnt it. Input: x, radians."
        ),
        intended_use="A first model: to see one trained, exported, served and called.",
        limits=(
            "Learnt from x between -π and π. Beyond, it goes on as it ends there: it "
            "does not know that a sine repeats."
        ),
        labels=(),
        batch_sizes=(1, 2, 4, 8, 16, 32),
        training=ran,
        metrics={"test": figures, "parameters": model.count_params()},
    )
    folder = export_version(
        card, {DEFAULT_SIGNATURE: build_function(model, x)}, options.artifacts_dir
    )
    log.info("Wrote %s", folder)


def make_data(rows: int, seed: int) -> tuple[Floats, Floats]:
    """Draw x evenly, (rows,), and y = sin x with normal noise, (rows,)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-np.pi, np.pi, rows)
    y = np.sin(x) + rng.normal(0, NOISE, rows)
    return x.astype(np.float32), y.astype(np.float32)


def build() -> Any:
    """Make the network: (rows,) → (rows,)."""
    x = keras.Input((), name="x")
    hidden = keras.layers.Reshape((1,))(x)
    hidden = keras.layers.Dense(32, activation="tanh", name="first")(hidden)
    hidden = keras.layers.Dense(32, activation="tanh", name="second")(hidden)
    y = keras.layers.Reshape((), name="y")(keras.layers.Dense(1, name="last")(hidden))
    return keras.Model(x, y)


def measure(model: Any) -> dict[str, Any]:
    """Compare with the true sine at 1,000 places, evenly from -π to π."""
    x = np.linspace(-np.pi, np.pi, 1000, dtype=np.float32)
    errors = np.abs(np.asarray(model(x)) - np.sin(x))
    return {
        "rows": len(x),
        "mean_absolute_error": round(float(errors.mean()), 5),
        "largest_error": round(float(errors.max()), 5),
    }


def build_function(model: Any, x: Floats) -> Function:
    """Wrap the network as it is served: x → y, both (rows,) float32."""
    return Function(
        lambda x: {"y": model(x, training=False)},
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None,)),),
        sample={"x": x[:33]},
    )
