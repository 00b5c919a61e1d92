"""A button is held before a microphone that plays a recording, in a real Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import soxr

from tests.e2e.conftest import serving_alone
from tests.e2e.page.conftest import Open, expect, launched
from tests.e2e.page.test_cards import bring, expect_says
from tests.e2e.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

RECORDING = Path(__file__).parents[2] / "data" / "spoken" / "7_lucas_2.wav"
HEARD = 48_000  # samples a second, of the microphone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving_alone("spoken", tmp_path_factory) as started:
        yield started


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browser"]:
    """Whose microphone hears a seven, and half a second later again."""
    word, rate = soundfile.read(RECORDING)
    there = soxr.resample(word, rate, HEARD)
    path = tmp_path_factory.mktemp("heard") / "seven.wav"
    soundfile.write(path, np.append(there, np.zeros(HEARD // 2)), HEARD)
    with launched(f"--use-file-for-fake-audio-capture={path}") as browser:
        yield browser


def wait_until_held_long(page: "Page") -> None:
    page.locator("#spoken .hold", has_text=re.compile(r"Speak … [3-9]\.")).wait_for()


def test_what_is_spoken_while_the_button_is_held_is_heard(visit: Open) -> None:
    page = bring(visit(), "spoken")
    button = page.get_by_role("button", name="Hold and speak")
    button.hover()
    page.mouse.down()
    wait_until_held_long(page)
    page.mouse.up()

    expect_says(page, "spoken", "^7: ")
    expect(page.locator("#spoken .answer .bars li")).to_have_count(10)
    expect(page.locator("#spoken audio")).to_be_visible()
    spectrogram = page.get_by_role("img", name="Spectrogram")
    spectrogram.wait_for()
    inked = spectrogram.evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, "
        "canvas.height).data.filter((each, at) => at % 4 === 3 && each > 99).length"
    )
    assert inked > 100
    button.wait_for()  # as it was


def test_the_space_bar_holds_it_too(visit: Open) -> None:
    page = bring(visit(), "spoken")
    page.get_by_role("button", name="Hold and speak").focus()
    page.keyboard.down("Space")
    wait_until_held_long(page)
    page.keyboard.up("Space")
    expect_says(page, "spoken", "^7: ")


def test_without_a_microphone_the_page_says_so(visit: Open) -> None:
    page = visit()
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia = "
        "async () => { throw new Error('no'); }; }"
    )
    bring(page, "spoken").get_by_role("button", name="Hold and speak").click()
    page.locator("#spoken [role=alert]", has_text="There is no microphone").wait_for()


def test_an_example_is_one_click_away(visit: Open) -> None:
    page = bring(visit(), "spoken")
    page.locator("#spoken .chip", has_text="A 3").click()
    expect_says(page, "spoken", "^3: ")
