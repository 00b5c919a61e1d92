"""The form of a model that writes: its text comes as it is written."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.page.conftest import Open
from tests.e2e.page.test_cards import bring, expect_says
from tests.e2e.server import Server, settle, until
from tests.tasks.writers import compose, write_letters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    write_letters(artifacts)
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=artifacts, runtime="tensorflow") as started:
        started.wait_ready()
        yield started


def test_a_text_is_written_from_its_form(visit: Open) -> None:
    page = bring(visit(), "scribe")
    card = page.locator("#scribe")
    card.get_by_label("How it begins").fill("dear")
    card.get_by_label("Mood").select_option("unkind")
    card.get_by_label("Seed").fill("3")
    card.get_by_role("button", name="Write").click()
    expect_says(page, "scribe", r"^40 characters, as long as was asked\.")
    written = card.locator(".written").text_content()
    assert written == "dear" + compose(prompt="dear", mood="unkind", seed=3)


def test_an_example_is_one_click_away(visit: Open) -> None:
    page = bring(visit(), "scribe")
    page.locator("#scribe").get_by_role("button", name="A letter").click()
    expect_says(page, "scribe", r"^30 characters")
    written = page.locator("#scribe .written").text_content()
    assert written == "dear" + compose(prompt="dear", length=30, seed=1)


def test_a_text_is_seen_while_it_is_written_and_stopped(
    visit: Open, server: Server
) -> None:
    page = bring(visit(), "scribe")
    card = page.locator("#scribe")
    card.get_by_label("Length").fill("1000")
    card.get_by_role("button", name="Write").click()
    page.wait_for_function(
        "() => document.querySelector('#scribe .written').textContent.length > 3"
    )
    card.get_by_role("button", name="Stop").click()
    expect_says(page, "scribe", "characters, (stopped|as long)")
    card.get_by_role("button", name="Write").wait_for()

    def is_idle() -> bool:
        settle()
        told = server.client.get("/metrics").text
        return 'servery_texts_under_way{model="scribe"} 0.0' in told

    until(is_idle, 10)


def test_a_character_that_is_not_known_is_said_in_the_servers_words(
    visit: Open,
) -> None:
    page = bring(visit(refused=True), "scribe")
    card = page.locator("#scribe")
    card.get_by_label("How it begins").fill("dear ☃")
    card.get_by_role("button", name="Write").click()
    card.locator("[role=alert]", has_text=re.compile("U\\+2603")).wait_for()
