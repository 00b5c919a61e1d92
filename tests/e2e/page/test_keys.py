"""The page before a service that asks for API keys."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from service.access.editing import add_key
from service.access.keys import ApiKey, hash_key
from tests.e2e.conftest import ARTIFACTS
from tests.e2e.page.conftest import Open
from tests.e2e.page.test_cards import bring, expect_says
from tests.e2e.server import Server

with suppress(ImportError):  # then nothing here runs
    from playwright.sync_api import Dialog

pytestmark = pytest.mark.slow

SECRET = "only-for-this-test-2c8e"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    digest = hash_key(SECRET.encode()).hex()
    add_key(folder / "keys.toml", "page", ApiKey(sha256=digest))
    (folder / "models").mkdir()
    (folder / "models" / "sine").symlink_to(
        ARTIFACTS / "sine", target_is_directory=True
    )
    with Server(
        folder / "log", artifacts=folder / "models", api_keys=folder / "keys.toml"
    ) as started:
        started.wait_ready()
        yield started


def test_people_are_asked_for_a_key_once(visit: Open, guarded: Server) -> None:
    asked: list[str] = []

    def answer(dialog: "Dialog") -> None:
        asked.append(dialog.message)
        dialog.accept(SECRET)

    page = visit(guarded.url, refused=True, on_dialog=answer)
    bring(page, "sine")
    field = page.locator("#sine input").first
    field.fill("1.5708")
    expect_says(page, "sine", "1.0|0.99")
    field.fill("0")
    expect_says(page, "sine", "0.0")
    assert len(asked) == 1


def test_without_one_the_page_says_what_is_missing(
    visit: Open, guarded: Server
) -> None:
    page = visit(guarded.url, refused=True)  # whose dialogs are dismissed
    bring(page, "sine")
    page.locator("#sine input").first.fill("1.5")
    page.locator("#sine [role=alert]", has_text="API key").wait_for()
