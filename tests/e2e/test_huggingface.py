"""Hugging Face's own client, unmodified, against a running service."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image

from tests.e2e.conftest import ARTIFACTS, to_png
from tests.e2e.server import Server
from tests.tasks import declared, tiny
from tests.tasks.test_audio import encode, tone
from tests.tasks.test_segmentation import STRIPES

OURS = ("digits", "mammogram", "party", "sentiment")

Ask = Callable[[str], InferenceClient]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ours, and small models that declare what ours do not do."""
    artifacts = tmp_path_factory.mktemp("artifacts")
    for name in OURS:
        (artifacts / name).symlink_to(ARTIFACTS / name, target_is_directory=True)
    tiny.write_sounds(artifacts)
    tiny.write_shades(artifacts)
    declared.write_guest(artifacts)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=artifacts, http_processes=1) as server:
        server.wait_ready()
        yield server


@pytest.fixture
def ask(server: Server) -> Ask:
    """A client of one model."""
    return lambda model: InferenceClient(model=f"{server.url}/hf/{model}", timeout=60)


def labels(found: Any) -> list[str]:
    return [each.label for each in found]


def test_digits(ask: Ask, sample: tuple[np.ndarray, np.ndarray]) -> None:
    images, digits = sample
    for image, digit in zip(images[:3], digits[:3], strict=True):
        found = ask("digits").image_classification(to_png(image))
        assert found[0].label == str(digit)
        assert sum(each.score for each in found) == pytest.approx(1, abs=1e-4)
    (best,) = ask("digits").image_classification(to_png(images[0]), top_k=1)
    assert best.label == str(digits[0])


def test_sentiment(ask: Ask) -> None:
    good, bad = (
        ask("sentiment").text_classification(f"A {word} film.")
        for word in ("wonderful", "terrible")
    )
    assert labels(good) == ["positive", "negative"]
    assert labels(bad) == ["negative", "positive"]
    assert 0.5 < bad[0].score <= 1


def test_party_and_mammogram(ask: Ask) -> None:
    votes = {"physician-fee-freeze": ["nay", "yea"]}
    found = ask("party").tabular_classification(votes)
    assert found == ["democrat", "republican"]
    masses = {"age": ["25", "70"], "margin": ["circumscribed", "spiculated"]}
    masses["shape"] = ["round", "irregular"]
    found = ask("mammogram").tabular_classification(masses)
    assert found == ["benign", "malignant"]


def test_a_declared_table(ask: Ask) -> None:
    table = {"city": ["Oslo", "Bern"], "age": ["30", "unknown"], "member": [True, "no"]}
    assert ask("guest").tabular_classification(table) == ["comes", "stays away"]


@pytest.mark.parametrize("kind", ["WAV", "MP3"])
def test_a_sound(ask: Ask, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"sound.{kind.lower()}"
    file.write_bytes(encode(tone(3000, 16_000), 16_000, kind))
    assert labels(ask("sounds").audio_classification(file)) == [
        "high",
        "low",
        "silence",
    ]
    (best,) = ask("sounds").audio_classification(file.read_bytes(), top_k=1)
    assert best.label == "high"


def test_a_segmentation(ask: Ask) -> None:
    file = io.BytesIO()
    Image.fromarray(STRIPES.astype(np.uint8)).save(file, "PNG")
    segments = ask("shades").image_segmentation(file.getvalue(), subtask="semantic")
    assert labels(segments) == ["dark", "middle", "light"]
    mask: Any = segments[0].mask
    assert np.asarray(mask)[0].tolist() == [255] * 6 + [0] * 6


def test_what_was_wrong_is_told(ask: Ask) -> None:
    with pytest.raises(HfHubHTTPError, match="expected a JPEG") as refused:
        ask("digits").image_classification(b"no picture")
    assert refused.value.response.status_code == 422
    with pytest.raises(HfHubHTTPError) as missing:
        ask("nobody").text_classification("Hello.")
    assert missing.value.response.status_code == 404
    assert "error" in missing.value.response.json()
