import base64
import json
from pathlib import Path

import pytest

from benchmarks.bodies import check_answers, true_digits, write_bodies
from benchmarks.pictures import load_pictures
from benchmarks.servers import ServerError
from benchmarks.subjects import RAW, SERVERY, Target

OURS = Target(SERVERY, SERVERY, "/")


def _wrap(body: bytes) -> bytes:
    return json.dumps({"inputs": json.loads(body)}).encode()


def test_bodies_are_files_that_the_load_generator_counts_from_0(tmp_path: Path) -> None:
    raw = Target(RAW, SERVERY, "/", "image/png")
    photo = Target("photo", SERVERY, "/", model="photo")

    folders = write_bodies([OURS, raw, photo], tmp_path)

    pictures = load_pictures()
    names = {each.name for each in folders[SERVERY].iterdir()}
    assert names == {str(number) for number in range(len(pictures))}
    assert (folders[RAW] / "1").read_bytes() == pictures[1].png
    sent = json.loads((folders["photo"] / "0").read_bytes())
    assert base64.b64decode(sent["image"]).startswith(b"\xff\xd8\xff")


def test_a_server_with_a_protocol_of_its_own_is_asked_in_it(tmp_path: Path) -> None:
    peer = Target("peer", "peer", "/", model="sentiment", wrap=_wrap)

    (folder,) = write_bodies([peer], tmp_path).values()

    assert list(json.loads((folder / "0").read_bytes())["inputs"]) == ["text"]


def test_one_wrong_digit_is_forgiven_and_two_are_not() -> None:
    truth = true_digits()
    wrong = [{"digit": 10}]

    check_answers(OURS, wrong + truth[1:], truth)
    with pytest.raises(ServerError, match=r"expected .*, received"):
        check_answers(OURS, wrong + wrong + truth[2:], truth)


@pytest.mark.parametrize(
    ("model", "right", "wrong"),
    [
        ("photo", {"classes": [3, 9]}, {"classes": [9, 3]}),
        ("sentiment", {"probability": 0.71}, {"probability": 0.6}),
    ],
)
def test_photo_and_sentiment_are_held_against_what_servery_answers(
    model: str, right: dict[str, object], wrong: dict[str, object]
) -> None:
    target = Target("peer", "peer", "/", model=model)
    expected = {"classes": [3, 4], "probability": 0.7}

    check_answers(target, [right], [expected])
    with pytest.raises(ServerError):
        check_answers(target, [wrong], [expected])
