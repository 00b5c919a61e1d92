"""What every model is asked, in each protocol, and whether the answers are right."""

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import httpx
import numpy as np

from benchmarks.peers.rows import read_digit, read_photo
from benchmarks.servers import ServerError
from benchmarks.subjects import JSON, ROOT, Target
from loadtest.workloads import to_png, votes
from service.engine.batching.tensors import Tensors
from service.models.party.endpoint import FIELDS, VOTES
from training.models.sentiment.short_sentences import SENTENCES

DATA = ROOT / "tests" / "data"
BODIES = 16  # sent in turn; all ten digits are among them
MOST_ROWS = 32  # in a call
RIGHT = 0.9  # share of the answers; the best of models may miss a digit
TOLERANCE = 0.02  # of a probability, where a server computes in another precision

Prediction = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """What one model is asked."""

    fields: list[dict[str, Any]]  # of the requests that are sent in turn
    rows: Tensors  # `MOST_ROWS` rows as the model takes them, without a server
    signature: str = "serving_default"
    truth: list[Prediction] | None = None  # what they show, where it is known

    @property
    def bodies(self) -> list[bytes]:
        """The requests as JSON."""
        return [json.dumps(fields).encode() for fields in self.fields]


def digits() -> Work:
    """MNIST's first test digits, as PNG."""
    with np.load(DATA / "mnist_sample.npz") as sample:
        images, labels = sample["images"][:BODIES], sample["labels"][:BODIES].tolist()
    truth = [{"digit": digit} for digit in labels]
    return _pictures([to_png(image) for image in images], read_digit, truth)


def photo() -> Work:
    """The photographs of the tests."""
    paths = sorted((DATA / "photos").glob("*.jpg"))
    return _pictures([path.read_bytes() for path in paths], read_photo)


def sentiment() -> Work:
    """Texts of 1 to 40 of the short sentences: 3 to 300 words, a review's lengths."""
    sentences = [sentence for sentence, _ in SENTENCES]
    texts = [" ".join(sentences[: 1 + 13 * n % 40]) for n in range(BODIES)]
    rows = np.array([text.encode() for text in texts], object)
    return Work([{"text": text} for text in texts], (np.resize(rows, MOST_ROWS),))


def party() -> Work:
    """Members of the US House, and their votes."""
    members: list[Any] = votes(())[:MOST_ROWS]
    known = dict(zip(FIELDS[0].words, FIELDS[0].codes, strict=True))
    codes = [[known[each["votes"][name]] for name in VOTES] for each in members]
    return Work(members[:BODIES], (np.array(codes, np.int8),))


def mammogram() -> Work:
    """Masses that differ in the age."""
    mass = {"shape": "irregular", "margin": "spiculated", "density": "low"}
    ages = np.arange(40, 40 + MOST_ROWS, dtype=np.int32)
    words = [np.full(MOST_ROWS, word.encode(), object) for word in mass.values()]
    fields = [{"age": int(age), **mass} for age in ages[:BODIES]]
    return Work(fields, (ages, *words))


def clothing(dims: int) -> Work:
    """A decoder's rows; what the endpoint is asked is `benchmarks.generate`'s."""
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((MOST_ROWS, dims), np.float32)
    categories = np.resize(np.eye(10, dtype=np.float32), (MOST_ROWS, 10))
    return Work([], (latents, categories), "decode")


WORK: dict[str, Callable[[], Work]] = {
    "digits": digits,
    "party": party,
    "mammogram": mammogram,
    "sentiment": sentiment,
    "photo": photo,
    "clothing_vae": partial(clothing, 20),
    "clothing_gan": partial(clothing, 64),
}


def make_bodies(target: Target) -> list[bytes]:
    """The requests that are sent to it in turn: JSON with base64, or a file itself."""
    work = WORK[target.model]()
    if target.media_type == JSON:
        return [target.wrap(body) for body in work.bodies]
    return [base64.b64decode(fields["image"]) for fields in work.fields]


def write_bodies(bodies: Iterable[bytes], folder: Path) -> Path:
    """Write the files 0, 1, 2 … for the load generator, which is no Python."""
    place = Path(mkdtemp(prefix="bodies-", dir=folder))
    for number, body in enumerate(bodies):
        (place / str(number)).write_bytes(body)
    return place


def ask(target: Target, url: str) -> list[Prediction]:
    """Send every body once to a server at `url`."""
    headers, received = {"content-type": target.media_type}, []
    try:
        with httpx.Client(timeout=60, trust_env=False, headers=headers) as client:
            for body in make_bodies(target):
                response = client.post(url + target.path, content=body)
                response.raise_for_status()
                answer = json.loads(target.unwrap(response.content))
                received.append(answer["predictions"][0])
    except (httpx.HTTPError, ValueError, LookupError) as error:
        raise ServerError(
            f"{target.name}: expected a prediction, received {error!r:.300}"
        ) from error
    return received


def check_answers(
    target: Target, received: Sequence[Prediction], expected: Sequence[Prediction]
) -> None:
    """Speed is worth nothing if the answer is wrong.

    Raises:
        ServerError: Less than `RIGHT` of the answers are as expected: the truth, or
            what a server answers that is trusted.
    """
    agree = AGREE[target.model]
    pairs = list(zip(received, expected, strict=True))
    if sum(agree(*pair) for pair in pairs) < RIGHT * len(pairs):
        one, other = next(pair for pair in pairs if not agree(*pair))
        raise ServerError(
            f"{target.name} answers wrongly: expected {str(other)[:100]}, "
            f"received {str(one)[:100]}"
        )


AGREE: dict[str, Callable[[Prediction, Prediction], Any]] = {
    "digits": lambda one, other: one["digit"] == other["digit"],
    "photo": lambda one, other: one["classes"][0] == other["classes"][0],
    "sentiment": lambda a, b: abs(a["probability"] - b["probability"]) <= TOLERANCE,
}


def _pictures(
    files: list[bytes],
    read: Callable[[bytes], np.ndarray],
    truth: list[Prediction] | None = None,
) -> Work:
    pixels = np.stack([read(file) for file in files])
    fields = [{"image": base64.b64encode(file).decode()} for file in files]
    rows = np.resize(pixels, (MOST_ROWS, *pixels.shape[1:]))
    return Work(fields, (rows,), truth=truth)
