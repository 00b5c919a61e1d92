"""What is decoded has room, or is refused before it is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.models.predicting import Application, accepted, refused
from tests.tasks import tiny
from tests.tasks.test_audio import encode, tone
from tests.tasks.test_segmentation import png

SHADES_BYTES = 8 * 12 + 8 * 12 * 3 * 4  # a row of uint8, three scores of float32 each
SOUNDS_BYTES = tiny.SAMPLES * 4 + 3 * 4
MOST_BYTES = 3 * SOUNDS_BYTES


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    tiny.write_shades(artifacts)
    tiny.write_sounds(artifacts)
    tiny.write_wall(artifacts)
    started = Application(artifacts, max_decoded_bytes=MOST_BYTES)
    yield started
    started.close()


def files(name: str, data: bytes, count: int) -> dict[str, Any]:
    return {"files": [("file", (name, data))] * count}


def pictures(count: int) -> dict[str, Any]:
    return files("a.png", png(np.zeros((1, 1))), count)


def test_as_many_pictures_as_have_room_are_answered(application: Application) -> None:
    most = MOST_BYTES // SHADES_BYTES
    answer = application.ask("/v1/predict/shades", **pictures(most))
    assert len(accepted(answer)["predictions"]) == most
    answer = application.ask("/v1/predict/shades", **pictures(most + 1))
    said = refused(answer, 413, "too_many_rows")
    assert f"expected at most {MOST_BYTES:,} bytes" in said
    assert f"received {most + 1} × {SHADES_BYTES:,}" in said


def test_sounds_and_drawings_are_counted_too(application: Application) -> None:
    sound = encode(tone(300))
    assert application.ask("/v1/predict/sounds", **files("a", sound, 3)).is_success
    for path, body in (
        ("/v1/predict/sounds", files("a", sound, 4)),
        ("/v1/generate/wall", {"json": {"count": 1}}),
    ):
        refused(application.ask(path, **body), 413, "too_many_rows")


def test_what_others_hold_leaves_less_room_until_they_are_answered(
    application: Application,
) -> None:
    path, most = "/v1/predict/shades", MOST_BYTES // SHADES_BYTES
    for _ in range(3):
        answers = application.ask_all([(path, pictures(most)), (path, pictures(1))])
        first, second = sorted(answers, key=lambda each: each.status_code)
        assert first.status_code == 200
        refused(second, 503, "unavailable")
        assert second.headers["retry-after"] == "1"
    assert application.ask(path, **pictures(most)).is_success


def test_a_picture_that_is_refused_gives_its_room_back(
    application: Application,
) -> None:
    for _ in range(3):
        broken = files("a.png", png(np.zeros((1, 1)))[:30], MOST_BYTES // SHADES_BYTES)
        answer = application.ask("/v1/predict/shades", **broken)
        refused(answer, 422, "invalid_image")
