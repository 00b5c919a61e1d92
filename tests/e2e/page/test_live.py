"""The live view, the last answers, and how the page looks and sounds to everybody."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.page.conftest import Open, expect
from tests.e2e.page.test_cards import bring, draw_seven, expect_says
from tests.e2e.server import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
CARDS = ("sentiment", "clothing_vae", "party", "mammogram", "churn", "live", "answers")
SERIOUS = {"serious", "critical"}


def test_two_hundred_requests_show_how_batches_are_formed(visit: Open) -> None:
    page = visit()
    live = page.locator("#live")
    live.scroll_into_view_if_needed()
    live.get_by_label("To").select_option("party")
    live.get_by_role("button", name="Send 200 requests").click()
    result = live.locator(".results li").first
    result.wait_for(timeout=60_000)
    told = result.inner_text()
    assert re.match(r"party, six at once: [\d,]+ requests a second", told)
    expect(live.locator(".squares [class^=rows-]")).to_have_count(200)
    row = live.locator("tr", has_text="party")
    until(lambda: " ms" in row.inner_text())


def test_the_last_answers_are_kept_in_this_browser_until_they_are_forgotten(
    visit: Open,
) -> None:
    page = visit()
    draw_seven(page)
    answers = page.locator("#answers")
    answers.locator("li", has_text="A 7").wait_for()
    page.reload()
    answers.locator("li", has_text="A 7").wait_for()
    answers.get_by_role("button", name="Forget them").click()
    expect(answers.locator("li")).to_have_count(0)
    assert page.evaluate("localStorage.getItem('servery.answers')") == "[]"


def test_only_the_last_hundred_are_kept(visit: Open) -> None:
    page = visit()
    page.evaluate(
        """async () => {
            const address = new URL("page/history.js", document.baseURI);
            const { remember } = await import(address);
            for (let each = 0; each < 130; each += 1) {
                remember("sine", `answer ${each}`);
            }
        }"""
    )
    rows = page.locator("#answers li")
    expect(rows).to_have_count(100)
    expect(rows.filter(has_text="answer 129")).to_have_count(1)
    assert rows.filter(has_text="answer 9").count() < 11  # the first ones are gone


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nobody_is_shut_out(visit: Open, width: int, scheme: str) -> None:
    page = visit(viewport={"width": width, "height": 800}, color_scheme=scheme)
    draw_seven(page)
    expect_says(page, "digits", "That is a 7")
    for card in CARDS:
        page.locator(f"#{card}").scroll_into_view_if_needed()
        page.locator(f"#{card} .waiting").wait_for(state="detached")
    expect_says(page, "mammogram", "were malignant")
    for fold in page.locator("summary:visible").all():
        fold.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert findings(page) == []


def findings(page: "Page") -> list[Any]:
    """What axe-core finds serious, in short: the rule, and the first elements."""
    from axe_playwright_python.sync_playwright import Axe

    page.wait_for_timeout(400)  # what fades in has its colour then
    found = Axe().run(page).response["violations"]
    return [
        (each["id"], [node["html"][:120] for node in each["nodes"][:3]])
        for each in found
        if each["impact"] in SERIOUS
    ]


def test_it_can_be_used_by_the_keyboard_alone(visit: Open) -> None:
    page = bring(visit(), "digits")
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen: list[str] = []
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "document.activeElement.innerText || document.activeElement.type"
            )
        )
        outline = page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle != 'none' || "
            "document.activeElement.matches('.unseen')"
        )
        assert outline, seen
        if seen[-1] == "Photo, in shadow":
            break
    page.keyboard.press("Enter")
    expect_says(page, "digits", "That is a 7")


def test_who_wants_no_motion_gets_none(visit: Open) -> None:
    page = bring(visit(reduced_motion="reduce"), "digits")
    column = page.locator("#digits .shaft i").first
    duration = column.evaluate("(node) => getComputedStyle(node).transitionDuration")
    assert duration == "0s"
