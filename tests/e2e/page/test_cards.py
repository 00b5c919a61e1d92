"""Each card is used as a person would, in a browser, before the real service."""

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ARTIFACTS
from tests.e2e.page.conftest import Open, expect
from tests.e2e.server import Server, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
PICTURES = Path(__file__).parents[2] / "data" / "images"
SAYS = ".says"
DROP = ("drop", "#digits .pad", "dataTransfer", "DragEvent")
PASTE = ("paste", "body", "clipboardData", "ClipboardEvent")
PHOTO = ARTIFACTS / "photo" / "2" / "manifest.json"


def expect_says(page: "Page", model: str, words: str) -> None:
    """Wait until the first answer of a card says this, to screen readers too."""
    for part in (SAYS, "[role=status][aria-live]"):
        said = page.locator(f"#{model} .answer {part}").filter(
            has_text=re.compile(words)
        )
        said.first.wait_for(state="attached")


def bring(page: "Page", model: str) -> "Page":
    page.locator(f"#{model}").scroll_into_view_if_needed()
    page.locator(f"#{model} .answer").first.wait_for()
    return page


def draw_seven(page: "Page") -> None:
    sheet = page.locator("#digits canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    corners = [(0.28, 0.25), (0.5, 0.24), (0.72, 0.25), (0.55, 0.55), (0.42, 0.85)]
    points = [
        (box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=6)
    page.mouse.up()


def test_a_digit_that_is_drawn_is_read(visit: Open) -> None:
    page = visit()
    draw_seven(page)

    expect_says(page, "digits", "That is a 7")
    expect(page.locator("#digits .columns .best .name")).to_have_text(
        "7", use_inner_text=True
    )
    page.get_by_alt_text("The digit as the model sees it").wait_for()
    found = page.locator("#digits .found").bounding_box()
    sheet = page.locator("#digits canvas").bounding_box()
    assert found and sheet
    assert 0.4 < found["width"] / sheet["width"] < 0.65  # the ink, and little more
    page.locator("#digits").get_by_role("button", name="Clear").click()
    expect_says(page, "digits", "Draw a digit")


def test_a_picture_of_a_digit_is_read_and_the_call_is_shown_as_code(
    visit: Open, server: Server
) -> None:
    page = bring(visit(), "digits")
    page.locator("#digits input[type=file]").first.set_input_files(
        PICTURES / "photo-8-marker.jpg"
    )

    expect_says(page, "digits", "That is a 8|That is an 8")
    page.locator("#digits .found").wait_for()
    card = page.locator("#digits")
    for name in ("decode", "queue", "compute", "network"):
        card.locator(f".span.{name}").wait_for(state="attached")
    expect(card.locator(".legend")).to_contain_text(
        "batch of 1 row", use_inner_text=True
    )
    card.get_by_text("The same call as code").click()
    code = card.locator(".code code")
    expect(code).to_be_visible()
    expect(code).to_contain_text(f"{server.url}/v1/predict/digits", use_inner_text=True)
    expect(code).to_contain_text(
        "--data-binary @photo-8-marker.jpg", use_inner_text=True
    )
    card.get_by_label("Python").check()
    expect(code).to_have_text(re.compile("^import httpx"), use_inner_text=True)
    card.get_by_role("button", name="Copy").click()
    card.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == code.inner_text()


def test_a_picture_can_be_dropped_and_pasted(visit: Open) -> None:
    page = bring(visit(), "digits")
    send = """async ([name, kind, selector, key, type]) => {
        const content = await (await fetch(name)).blob();
        const data = new DataTransfer();
        data.items.add(new File([content], "p.webp", {type: "image/webp"}));
        const event = {[key]: data, bubbles: true, cancelable: true};
        document.querySelector(selector).dispatchEvent(new window[type](kind, event));
    }"""
    page.evaluate(send, ["page/sample-blackboard.webp", *DROP])
    expect_says(page, "digits", "That is a 6")
    page.evaluate(send, ["page/sample-table.webp", *PASTE])
    expect_says(page, "digits", "That is a 4")


def test_a_picture_without_a_digit_is_refused_in_the_servers_words(visit: Open) -> None:
    page = bring(visit(refused=True), "digits")
    page.locator("#digits input[type=file]").first.set_input_files(
        PICTURES / "blank-white.png"
    )

    alert = page.locator("#digits [role=alert]", has_text="no ink")
    alert.wait_for()
    page.locator("#digits .sample").first.click()
    expect_says(page, "digits", "That is a 7")
    expect(alert).to_have_count(0)


def test_a_photo_is_taken_with_the_camera(visit: Open) -> None:
    page = bring(visit(refused=True), "digits")
    page.locator("#digits").get_by_role("button", name="Take a photo").click()
    video = page.locator("#digits video")
    until(lambda: bool(video.evaluate("(video) => video.videoWidth")))
    page.get_by_role("button", name="Take the photo").click()

    page.locator("#digits .shown[src^='blob:']").wait_for()
    page.locator(
        "#digits .problem, #digits .columns .best"
    ).first.wait_for()  # what it makes of the test card is its own affair


def test_a_text_is_judged_while_it_is_typed(visit: Open) -> None:
    page = bring(visit(), "sentiment")
    text = page.get_by_label("What somebody wrote about a film")
    text.fill("A wonderful film, I loved it.")
    expect_says(page, "sentiment", "They liked it")
    page.locator("#sentiment mark.for", has_text="wonderful").wait_for()
    text.fill("A terrible film, I hated it.")
    expect_says(page, "sentiment", "They did not like it")
    page.locator("#sentiment mark.against", has_text="terrible").wait_for()


def test_sixteen_votes_tell_a_party_and_which_of_them_spoke(visit: Open) -> None:
    page = bring(visit(), "party")
    expect(page.locator("#party fieldset")).to_have_count(16)
    page.get_by_role("button", name="Nothing known").click()
    page.locator("#party .note", has_text="No vote is known").wait_for()
    freeze = page.get_by_role("group", name="physician fee freeze")
    freeze.get_by_role("radio", name="Yea").check()
    expect_says(page, "party", "A Republican")
    expect(page.locator("#party .loudest")).to_contain_text(
        "physician fee freeze", use_inner_text=True
    )
    freeze.get_by_role("radio", name="Yea").press("ArrowRight")  # by the keyboard
    freeze.get_by_role("radio", name="unknown").press("ArrowRight")
    expect_says(page, "party", "A Democrat")


def test_a_mammogram_is_no_diagnosis_and_shows_its_scale(visit: Open) -> None:
    page = bring(visit(), "mammogram")
    expect_says(page, "mammogram", "about 8. were malignant")
    card = page.locator("#mammogram")
    expect(card.locator(".notice")).to_contain_text("no diagnosis", use_inner_text=True)
    card.get_by_label("Age", exact=True).fill("30")
    card.get_by_role("group", name="Shape").get_by_label("round", exact=True).check()
    card.get_by_role("group", name="Margin").get_by_label(
        "circumscribed", exact=True
    ).check()
    expect_says(page, "mammogram", r"about \d (was|were) malignant")
    expect(card.locator(".hundred")).to_contain_text(
        "Benign, by the line at 11 %", use_inner_text=True
    )
    expect(card.locator(".ruler .band")).to_have_count(1)
    for group in ("Shape", "Margin", "Density"):
        card.get_by_role("group", name=group).get_by_label(
            "unknown", exact=True
        ).check()
    card.get_by_label("is known").uncheck()
    card.locator(".notice", has_text="No finding is known").wait_for()


@pytest.mark.parametrize("model", ["clothing_vae", "clothing_gan"])
def test_clothing_is_drawn_by_category_seed_and_number(visit: Open, model: str) -> None:
    page = bring(visit(), model)
    card = page.locator(f"#{model}")
    expect_says(page, model, "20 garments, from seed 7")
    card.get_by_label("Category").select_option("sandal")
    card.get_by_label("Seed").fill("99")
    card.get_by_label("How many").fill("100")
    expect_says(page, model, "100 drawings of one category, sandal, from seed 99")
    expect(card.locator(".garments img")).to_have_count(100)
    first = card.locator(".garments img").first
    before = first.get_attribute("src")
    card.get_by_label("Temperature").fill("0")
    until(lambda: first.get_attribute("src") != before)
    all_alike = card.locator(".garments img").evaluate_all(
        "images => new Set(images.map(image => image.src)).size"
    )
    assert all_alike == 1  # without any heat all are the usual one


def test_the_way_between_two_garments_is_a_slider(visit: Open) -> None:
    page = bring(visit(), "clothing_vae")
    way = page.locator("#clothing_vae .further").first
    way.locator(SAYS, has_text="From t-shirt to trousers").wait_for()
    tiles = page.locator("#clothing_vae .tile")
    tiles.nth(8).click()
    tiles.nth(9).click()
    way.locator(SAYS, has_text="From bag to ankle-boot").wait_for()
    slider = page.get_by_label("Between the two garments")
    slider.fill("0")
    expect(way.locator(".between")).to_have_attribute("alt", "100 % bag")
    slider.fill("32")
    expect(way.locator(".between")).to_have_attribute("alt", "100 % ankle-boot")


def test_ones_own_garment_goes_through_the_bottleneck(
    visit: Open, tmp_path: Path
) -> None:
    page = bring(visit(), "clothing_vae")
    image = page.locator("#clothing_vae .tile img").nth(9)
    source = image.get_attribute("src") or ""
    file = tmp_path / "boot.png"
    file.write_bytes(base64.b64decode(source.partition(",")[2]))
    own = page.locator("#clothing_vae .further").nth(1)
    own.locator("input[type=file]").first.set_input_files(file)
    own.locator(SAYS, has_text="Taken for: ankle-boot").wait_for()
    expect(own.locator(".stages img")).to_have_count(2)


@pytest.mark.skipif(not PHOTO.exists(), reason="photo is not built")
def test_a_photo_is_named_by_its_five_best(visit: Open, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "photo").symlink_to(ARTIFACTS / "photo", target_is_directory=True)
    with Server(tmp_path / "log", artifacts=folder) as started:
        started.wait_ready()
        page = bring(visit(started.url), "photo")
        page.get_by_role("button", name="A cat").click()
        expect_says(page, "photo", "cat")
        expect(page.locator("#photo .bars").first.locator("li")).to_have_count(5)
        page.locator("#photo .held .found").wait_for()
        page.locator("#answers li", has_text="cat").wait_for()
        page.context.close()
