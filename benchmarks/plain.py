"""The same models behind plain FastAPI, one call of the model for each request.

What a good newcomer would write, and what Servery has to be worth its name against.
Digits are answered at two addresses, so that one start measures both ways to call a
model:

    /def    a `def` endpoint, which FastAPI runs in its pool of 40 threads
    /async  an `async def` endpoint, which calls the model in the event loop
"""

from typing import Generic, TypeVar

from fastapi import FastAPI
from pydantic import Base64Bytes, BaseModel

from benchmarks.peers.model import load_model
from benchmarks.peers.rows import read_digit, read_photo, read_setting

Prediction = TypeVar("Prediction", bound=BaseModel)


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


class Response(BaseModel, Generic[Prediction]):
    """The fields that Servery answers with."""

    model: str
    version: int = 1
    predictions: list[Prediction]


def create_app() -> FastAPI:
    """The application; its environment is that of a peer."""
    models = {name: load_model(name) for name in read_setting().models}
    app = FastAPI()

    @app.post("/def")
    def predict_digit(request: ImageRequest) -> Response[DigitPrediction]:
        (answer,) = models["digits"].predict([read_digit(request.image)])
        return Response(model="digits", predictions=[DigitPrediction(**answer)])

    @app.post("/async")
    async def predict_in_loop(request: ImageRequest) -> Response[DigitPrediction]:
        return predict_digit(request)

    @app.post("/photo")
    def predict_photo(request: ImageRequest) -> Response[PhotoPrediction]:
        (answer,) = models["photo"].predict([read_photo(request.image)])
        return Response(model="photo", predictions=[PhotoPrediction(**answer)])

    @app.post("/sentiment")
    def predict_sentiment(request: TextRequest) -> Response[SentimentPrediction]:
        (answer,) = models["sentiment"].predict([request.text.encode()])
        return Response(model="sentiment", predictions=[SentimentPrediction(**answer)])

    return app
