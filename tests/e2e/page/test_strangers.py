"""Models that the page has never heard of: a form of their task, or of tensors."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import DIGITS, DIGITS_VERSIONS
from tests.e2e.page.conftest import Open, expect
from tests.e2e.page.test_cards import bring, expect_says
from tests.e2e.server import Server, until

pytestmark = pytest.mark.slow
PICTURES = Path(__file__).parents[2] / "data" / "images"


def test_a_declared_table_is_a_form_of_its_fields(
    visit: Open, strangers: Server
) -> None:
    page = bring(visit(strangers.url), "customers")
    card = page.locator("#customers")
    expect_says(page, "customers", "Leaves")  # the example is filled in already
    card.get_by_role("group", name="Geography").get_by_label(
        "France", exact=True
    ).check()
    card.get_by_label("Age", exact=True).fill("30")
    card.get_by_label("Num of products").fill("1")
    card.get_by_role("group", name="Is active member").get_by_label(
        "yes", exact=True
    ).check()
    expect_says(page, "customers", "Stays")
    card.get_by_role("button", name="On the way out").click()
    expect_says(page, "customers", "Leaves")


def test_what_a_field_cannot_be_is_said_in_the_servers_words(
    visit: Open, strangers: Server
) -> None:
    page = bring(visit(strangers.url, refused=True), "customers")
    page.locator("#customers").get_by_label("Age", exact=True).fill("-3")
    page.locator("#customers [role=alert]", has_text=re.compile("age.*-3")).wait_for()


def test_declared_pictures_have_a_place_to_drop_them(
    visit: Open, strangers: Server
) -> None:
    page = bring(visit(strangers.url), "numerals")
    page.locator("#numerals input[type=file]").first.set_input_files(
        PICTURES / "mnist-5-as-it-is.png"
    )
    expect_says(page, "numerals", "^5: ")
    expect(page.locator("#numerals .bars").first.locator("li")).to_have_count(5)


def test_a_declared_text_is_judged_while_it_is_typed(
    visit: Open, strangers: Server
) -> None:
    page = bring(visit(strangers.url), "films")
    page.get_by_label("A text").fill("I loved it, a wonderful film.")
    expect_says(page, "films", "Positive")


def test_a_declared_generator_draws(visit: Open, strangers: Server) -> None:
    page = bring(visit(strangers.url), "wardrobe")
    page.locator("#wardrobe").get_by_label("Label").select_option("bag")
    page.locator("#wardrobe").get_by_label("How many").fill("6")
    expect_says(page, "wardrobe", "6 images, from seed 7")
    expect(page.locator("#wardrobe").get_by_alt_text("bag")).to_have_count(6)


def test_a_model_of_tensors_has_an_editor_whose_example_works(
    visit: Open, strangers: Server
) -> None:
    page = bring(visit(strangers.url), "waves")
    card = page.locator("#waves")
    editor = card.get_by_label("Request, as JSON")
    assert json.loads(editor.input_value()) == {"instances": [0.5]}
    card.get_by_role("button", name="Ask").click()
    expect_says(page, "waves", r"y = 0\.4")
    editor.fill('{"instances": [')
    expect(card.get_by_role("button", name="Ask")).to_be_disabled()
    expect(card).to_contain_text("Not JSON yet", use_inner_text=True)


def test_a_broken_model_says_why(visit: Open, strangers: Server) -> None:
    page = visit(strangers.url)
    card = page.locator("#broken")
    card.locator(".problem", has_text="Version 1 failed: ").wait_for()
    expect(card.locator(".state")).to_have_text("failed", use_inner_text=True)


def test_a_missing_model_says_how_to_get_it(visit: Open) -> None:
    page = visit()  # of the service without photo
    card = page.locator("#photo")
    card.scroll_into_view_if_needed()
    expect(card.locator(".state")).to_have_text("missing", use_inner_text=True)
    expect(card.locator("pre")).to_have_text(
        "python -m training photo", use_inner_text=True
    )


def test_what_is_known_of_a_model_stands_on_its_card(visit: Open) -> None:
    card = bring(visit(), "digits").locator("#digits")
    expect(card.locator(".quality")).to_contain_text(
        "Of 10,000 examples", use_inner_text=True
    )
    expect(card.locator(".quality")).to_contain_text(
        "it got 40 wrong", use_inner_text=True
    )
    expect(card.locator(".quality")).to_contain_text(
        "Guessing among 10 answers", use_inner_text=True
    )
    card.get_by_text("How good is it?").click()
    plots = [*(DIGITS / str(max(DIGITS_VERSIONS)) / "report").glob("*.png")]
    assert len(plots) > 3
    expect(card.locator(".plots img")).to_have_count(len(plots))
    plot = card.locator(".plots img").first
    plot.scroll_into_view_if_needed()
    until(lambda: bool(plot.evaluate("(image) => image.naturalWidth")))
    card.get_by_text("What it is, and what it is not for").click()
    text = card.locator(".folded").nth(1)
    expect(text).to_contain_text("CC BY-SA 3.0", use_inner_text=True)
    expect(text).to_contain_text(
        "digits of other scripts are unknown", use_inner_text=True
    )
