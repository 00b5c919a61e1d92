"""The same model behind plain FastAPI, one call of the model for each request.

What a good newcomer would write, and what Servery has to be worth its name against. It
answers at two addresses, so that one start measures both ways to call a model:

    /def    a `def` endpoint, which FastAPI runs in its pool of 40 threads
    /async  an `async def` endpoint, which calls the model in the event loop
"""

import io
import os

import numpy as np
import tensorflow as tf
from fastapi import FastAPI
from PIL import Image
from pydantic import Base64Bytes, BaseModel


class DigitsRequest(BaseModel):
    """One picture of a digit."""

    image: Base64Bytes


class DigitPrediction(BaseModel):
    """What it shows."""

    digit: int
    confidence: float
    probabilities: list[float]


class DigitsResponse(BaseModel):
    """The fields that Servery answers with."""

    model: str
    version: int
    predictions: list[DigitPrediction]


class Model:
    """The SavedModel, called as TensorFlow's own guide does.

    Args:
        folder: `<model>/<version>`.
        threads: TensorFlow's, for one call.
    """

    def __init__(self, folder: str, threads: int):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._saved_model = tf.saved_model.load(folder)
        self._function = self._saved_model.signatures["serving_default"]

    def predict(self, request: DigitsRequest) -> DigitsResponse:
        """Decode one picture of 28×28 pixels and ask the model."""
        image = Image.open(io.BytesIO(request.image)).convert("L")
        outputs = self._function(images=tf.constant(np.asarray(image)[np.newaxis]))
        probabilities = outputs["probabilities"].numpy()[0]
        digit = int(probabilities.argmax())
        prediction = DigitPrediction(
            digit=digit,
            confidence=float(probabilities[digit]),
            probabilities=probabilities.tolist(),
        )
        return DigitsResponse(model="digits", version=1, predictions=[prediction])


def create_app() -> FastAPI:
    """The application; its environment has `MODEL` and `TENSORFLOW_THREADS`."""
    model = Model(os.environ["MODEL"], int(os.environ["TENSORFLOW_THREADS"]))
    app = FastAPI()

    @app.post("/def")
    def predict_in_thread(request: DigitsRequest) -> DigitsResponse:
        return model.predict(request)

    @app.post("/async")
    async def predict_in_loop(request: DigitsRequest) -> DigitsResponse:
        return model.predict(request)

    return app
