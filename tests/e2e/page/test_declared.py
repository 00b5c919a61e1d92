"""Forms of tasks on small models that the test makes, whose answers are known."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import to_png
from tests.e2e.page.conftest import Open, expect
from tests.e2e.page.test_cards import bring, expect_says
from tests.e2e.server import Server
from tests.tasks import declared, tiny
from tests.tasks.test_audio import encode, tone
from tests.tasks.test_tiled import draw_dots

pytestmark = pytest.mark.slow

GREY, RED = [138, 128, 114], [193, 58, 34]  # of the first two classes of a mask


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    tiny.write_shades(artifacts)
    tiny.write_dots(artifacts)
    tiny.write_sounds(artifacts)
    declared.write_house(artifacts)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=artifacts) as started:
        started.wait_ready()
        yield started


def test_a_picture_is_divided_into_classes_that_are_named_and_painted(
    visit: Open, tmp_path: Path
) -> None:
    page = bring(visit(), "shades")
    card, picture = page.locator("#shades"), tmp_path / "stripes.png"
    for shades, said in (
        ([255] * 4, "Light fills"),
        ([0, 0, 0, 127], "Dark fills 75(.0)? ?%"),
    ):
        picture.write_bytes(to_png(np.repeat([shades], 8, 0).astype(np.uint8)))
        card.locator("input[type=file]").first.set_input_files(picture)
        expect_says(page, "shades", said)
    mask = card.get_by_role("img", name="Classes of its pixels: dark, middle")
    mask.wait_for()
    assert card.locator("canvas.mask + .legend li").all_inner_texts() == [
        "dark",
        "middle",
    ]
    colours = mask.evaluate(
        "(canvas) => [0, 11].map((x) => [...canvas.getContext('2d')"
        ".getImageData(x, 4, 1, 1).data].slice(0, 3))"
    )
    assert colours == [GREY, RED]


def test_a_threshold_is_moved_and_the_outlines_follow(
    visit: Open, tmp_path: Path
) -> None:
    page = bring(visit(), "dots")
    card, picture = page.locator("#dots"), tmp_path / "dots.png"
    picture.write_bytes(to_png(draw_dots()))
    card.locator("input[type=file]").first.set_input_files(picture)
    expect_says(page, "dots", r"^3 found\. Dark fills")
    outlines = card.get_by_role("img", name="Your picture, with outlines")
    first = outlines.get_attribute("src")
    card.get_by_label("Threshold").fill("0.9")
    page.wait_for_function(
        "(first) => document.querySelector('#dots img.mask').src !== first", arg=first
    )
    assert (outlines.get_attribute("src") or "").startswith("data:image/png;base64,")
    assert outlines.evaluate("(image) => image.decode().then(() => image.width > 0)")


def test_a_sound_is_heard_and_can_be_played(visit: Open, tmp_path: Path) -> None:
    page = bring(visit(), "sounds")
    card, chooser = page.locator("#sounds"), page.locator("#sounds input[type=file]")
    for hertz, label in ((300, "Low"), (3000, "High")):
        sound = tmp_path / f"{hertz}.wav"
        sound.write_bytes(encode(tone(hertz)))
        chooser.first.set_input_files(sound)
        expect_says(page, "sounds", f"^{label}: ")
    expect(card.locator(".bars li")).to_have_count(len(tiny.SOUNDS))
    player = card.locator("audio")
    expect(player).to_be_visible()
    page.wait_for_function("() => document.querySelector('#sounds audio').duration > 0")
    assert player.evaluate("(audio) => audio.duration") == pytest.approx(0.5, abs=0.01)


def test_what_is_no_sound_is_said_in_the_servers_words(
    visit: Open, tmp_path: Path
) -> None:
    page = bring(visit(refused=True), "sounds")
    (tmp_path / "text.wav").write_bytes(b"no sound at all, but a text")
    page.locator("#sounds input[type=file]").first.set_input_files(
        tmp_path / "text.wav"
    )
    page.locator("#sounds [role=alert]", has_text=re.compile("WAV, FLAC")).wait_for()


def test_a_record_comes_to_a_number_with_its_unit(visit: Open) -> None:
    page = bring(visit(), "house")
    card = page.locator("#house")
    expect_says(page, "house", "EUR")  # of the form as it comes
    card.get_by_label("Area, m²", exact=True).fill("120")
    card.get_by_label("Rooms", exact=True).fill("4")
    card.get_by_role("group", name="Heating").get_by_label("wood").check()
    card.get_by_role("group", name="Garden").get_by_label("yes", exact=True).check()
    expect_says(page, "house", r"^120,010 EUR\.")
    expect(card.locator(".numeral")).to_have_text("120,010", use_inner_text=True)


def test_a_record_out_of_bounds_is_said_in_the_servers_words(visit: Open) -> None:
    page = bring(visit(refused=True), "house")
    page.locator("#house").get_by_label("Area, m²", exact=True).fill("900")
    alert = page.locator("#house [role=alert]")
    alert.filter(has_text=re.compile("area.*1 to 500.*900")).wait_for()
