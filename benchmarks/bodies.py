"""What every server is asked, in its own protocol, and whether it answers rightly."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks.pictures import load_pictures
from benchmarks.servers import Running, ServerError
from benchmarks.subjects import Target
from benchmarks.workloads import WORK

JSON = "application/json"
RIGHT = 0.9  # share of the answers; the best of models may miss a digit
TOLERANCE = 0.02  # of a probability, where a server computes in another precision

Prediction = dict[str, Any]


def make_bodies(target: Target) -> list[bytes]:
    """The requests that are sent to it in turn: JSON with base64, or a file itself."""
    work = WORK[target.model]()
    if target.media_type == JSON:
        return [target.wrap(body) for body in work.bodies]
    return [base64.b64decode(fields["image"]) for fields in work.fields]


def write_bodies(targets: Iterable[Target], folder: Path) -> dict[str, Path]:
    """Write all bodies for the load generator, which is no Python.

    Returns:
        By the name of the target, the folder with the files 0, 1, 2 …
    """
    folders = {}
    for number, target in enumerate(targets):
        place = folders[target.name] = folder / f"bodies-{number}"
        place.mkdir()
        for index, body in enumerate(make_bodies(target)):
            (place / str(index)).write_bytes(body)
    return folders


def ask(target: Target, server: Running) -> list[Prediction]:
    """Send every body once.

    Raises:
        ServerError: Not answered with 200 and a prediction.
    """
    with httpx.Client(timeout=60, trust_env=False) as client:
        return [_ask(client, target, server, body) for body in make_bodies(target)]


def check_answers(
    target: Target, received: Sequence[Prediction], expected: Sequence[Prediction]
) -> None:
    """Speed is worth nothing if the answer is wrong.

    Args:
        target: That was asked.
        received: What it answered.
        expected: The truth, or what a server answers that is trusted.

    Raises:
        ServerError: Less than `RIGHT` of the answers are as expected.
    """
    agree = AGREE[target.model]
    pairs = list(zip(received, expected, strict=True))
    if sum(agree(*pair) for pair in pairs) < RIGHT * len(pairs):
        one, other = next(pair for pair in pairs if not agree(*pair))
        raise ServerError(
            f"{target.name} answers wrongly: expected {str(other)[:100]}, "
            f"received {str(one)[:100]}"
        )


def true_digits() -> list[Prediction]:
    """What the digits are that are sent."""
    return [{"digit": picture.digit} for picture in load_pictures()]


def _ask(
    client: httpx.Client, target: Target, server: Running, body: bytes
) -> Prediction:
    headers = {"content-type": target.media_type}
    try:
        response = client.post(server.url(target.path), content=body, headers=headers)
        response.raise_for_status()
        found: Prediction = json.loads(target.unwrap(response.content))
        prediction: Prediction = found["predictions"][0]
    except (httpx.HTTPError, ValueError, LookupError) as error:
        raise ServerError(
            f"{target.name}: expected a prediction, received {error!r:.300}"
        ) from error
    return prediction


def _is_near(one: Prediction, other: Prediction) -> bool:
    near: bool = abs(one["probability"] - other["probability"]) <= TOLERANCE
    return near


AGREE: dict[str, Callable[[Prediction, Prediction], bool]] = {
    "digits": lambda one, other: bool(one["digit"] == other["digit"]),
    "photo": lambda one, other: bool(one["classes"][0] == other["classes"][0]),
    "sentiment": _is_near,
}
