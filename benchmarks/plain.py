"""The same models behind plain FastAPI, one call of the model for each request.

What a good newcomer would write, and what Servery has to be worth its name against.
Digits are answered at two addresses, so that one start measures both ways to call a
model:

    /def    a `def` endpoint, which FastAPI runs in its pool of 40 threads
    /async  an `async def` endpoint, which calls the model in the event loop
"""

import json
import os
from typing import Any, Generic, TypeVar

import numpy as np
import tensorflow as tf
from fastapi import FastAPI
from pydantic import Base64Bytes, BaseModel

from benchmarks.peers.rows import (
    answer_digit,
    answer_photo,
    answer_sentiment,
    read_digit,
    read_photo,
)


class ImageRequest(BaseModel):
    """One picture."""

    image: Base64Bytes


class TextRequest(BaseModel):
    """One text."""

    text: str


class DigitPrediction(BaseModel):
    """What a picture of a digit shows."""

    digit: int
    confidence: float
    probabilities: list[float]


class PhotoPrediction(BaseModel):
    """The five best classes, best first."""

    classes: list[int]
    probabilities: list[float]


class SentimentPrediction(BaseModel):
    """Whether a text is positive."""

    probability: float


Prediction = TypeVar("Prediction", bound=BaseModel)


class Response(BaseModel, Generic[Prediction]):
    """The fields that Servery answers with."""

    model: str
    version: int = 1
    predictions: list[Prediction]


class Model:
    """A SavedModel, called as TensorFlow's own guide does."""

    def __init__(self, folder: str, threads: int, output: str):
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self._saved_model = tf.saved_model.load(folder)
        self._function = self._saved_model.signatures["serving_default"]
        (self._input,) = self._function.structured_input_signature[1]
        self._output = output

    def __call__(self, row: Any) -> Any:
        """One row of its input to one of its output."""
        outputs = self._function(**{self._input: tf.constant(row[np.newaxis])})
        return outputs[self._output].numpy()[0]


def create_app() -> FastAPI:
    """The application; its environment has `MODELS` and `TENSORFLOW_THREADS`."""
    folders = json.loads(os.environ["MODELS"])
    threads = int(os.environ["TENSORFLOW_THREADS"])
    app = FastAPI()
    add_digits(app, Model(folders["digits"], threads, "probabilities"))
    if "photo" in folders:
        add_photo(app, Model(folders["photo"], threads, "probabilities"))
    if "sentiment" in folders:
        add_sentiment(app, Model(folders["sentiment"], threads, "probability"))
    return app


def add_digits(app: FastAPI, model: Model) -> None:
    """Answer what digits show, in both ways."""

    def predict(request: ImageRequest) -> Response[DigitPrediction]:
        prediction = DigitPrediction(**answer_digit(model(read_digit(request.image))))
        return Response(model="digits", predictions=[prediction])

    @app.post("/def")
    def predict_in_thread(request: ImageRequest) -> Response[DigitPrediction]:
        return predict(request)

    @app.post("/async")
    async def predict_in_loop(request: ImageRequest) -> Response[DigitPrediction]:
        return predict(request)


def add_photo(app: FastAPI, model: Model) -> None:
    """Answer what photos show."""

    @app.post("/photo")
    def predict(request: ImageRequest) -> Response[PhotoPrediction]:
        prediction = PhotoPrediction(**answer_photo(model(read_photo(request.image))))
        return Response(model="photo", predictions=[prediction])


def add_sentiment(app: FastAPI, model: Model) -> None:
    """Answer how texts sound."""

    @app.post("/sentiment")
    def predict(request: TextRequest) -> Response[SentimentPrediction]:
        answer = answer_sentiment(model(np.array(request.text.encode(), object)))
        return Response(model="sentiment", predictions=[SentimentPrediction(**answer)])
