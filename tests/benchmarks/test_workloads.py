import base64
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.servers import ServerError
from benchmarks.subjects import SERVERY, Target, raw
from benchmarks.workloads import (
    MOST_ROWS,
    WORK,
    check_answers,
    digits,
    make_bodies,
    write_bodies,
)

OURS = Target(SERVERY, "/")


def _wrap(body: bytes) -> bytes:
    return json.dumps({"inputs": json.loads(body)}).encode()


def test_the_pictures_show_all_ten_digits() -> None:
    assert {each["digit"] for each in digits().truth or []} == set(range(10))
    with Image.open(io.BytesIO(make_bodies(raw())[0])) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (28, 28), "L")


def test_a_picture_is_sent_as_it_is_or_in_base64() -> None:
    sent = [json.loads(body)["image"] for body in make_bodies(OURS)]

    assert [base64.b64decode(each) for each in sent] == make_bodies(raw())


def test_bodies_are_files_that_the_load_generator_counts_from_0(tmp_path: Path) -> None:
    one, other = (write_bodies([b"a", b"b"], tmp_path) for _ in range(2))

    assert {each.name for each in one.iterdir()} == {"0", "1"}
    assert (other / "1").read_bytes() == b"b"


def test_a_server_with_a_protocol_of_its_own_is_asked_in_it() -> None:
    peer = Target("peer", "/", model="sentiment", wrap=_wrap)

    assert list(json.loads(make_bodies(peer)[0])["inputs"]) == ["text"]


@pytest.mark.parametrize("name", WORK)
def test_every_model_has_rows_for_a_full_batch(name: str) -> None:
    assert {len(column) for column in WORK[name]().rows} == {MOST_ROWS}


def test_one_wrong_digit_is_forgiven_and_two_are_not() -> None:
    truth = digits().truth or []
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
    target = Target("peer", "/", model=model)
    expected = {"classes": [3, 4], "probability": 0.7}

    check_answers(target, [right], [expected])
    with pytest.raises(ServerError):
        check_answers(target, [wrong], [expected])
