"""The playground's files: who gets them, and what a browser may do with them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.web.page.endpoints import KINDS, STATIC
from tests.models.predicting import ARTIFACTS, Application, refused

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"
FILES = sorted(each.name for each in STATIC.iterdir() if each.name != "index.html")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "party").symlink_to(ARTIFACTS / "party", target_is_directory=True)
    application = Application(folder)
    yield application
    application.close()


def test_a_browser_gets_the_page(application: Application) -> None:
    page = application.ask("/", "GET", headers={"accept": BROWSER})

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Accept" in page.headers["vary"]
    assert "<h1>Try the models</h1>" in page.text


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "", "image/png", "text/html;q=0.2, */*"]
)
def test_a_program_is_told_that_the_service_is_alive(
    application: Application, accept: str
) -> None:
    answer = application.ask("/", "GET", headers={"accept": accept})

    assert answer.status_code == 200
    assert answer.json() == {"status": "alive"}


def test_the_page_may_load_and_run_nothing_but_its_own_files(
    application: Application,
) -> None:
    page = application.ask("/", "GET", headers={"accept": BROWSER})

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self'; ")
    assert "unsafe" not in policy
    assert not re.search(r"https?:", policy + page.text)
    assert not re.search(
        r" (style|on\w+)=|<style|<script(?! type=.module. src=)", page.text
    )
    loaded = re.findall(r'(?:src|href)="page/([^"#]+)', page.text)
    assert set(loaded) <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_page_is_served_as_what_it_is(
    application: Application, name: str
) -> None:
    answer = application.ask(f"/page/{name}", "GET")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == KINDS[name.rpartition(".")[2]]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (
        answer.content == (STATIC / name).read_bytes()
    )  # unpacked, where it was packed


def test_modules_import_only_files_that_are_there() -> None:
    for name in FILES:
        if name.endswith((".js", ".css")):
            text = (STATIC / name).read_text()
            named = re.findall(
                r'(?:from|import\() ?"\./([\w.]+)"|url\("([^"]+)"\)', text
            )
            assert {either or other for either, other in named} <= set(FILES), name


def test_a_browser_that_has_a_file_is_not_sent_it_again(
    application: Application,
) -> None:
    first = application.ask("/page/app.js", "GET")
    headers = {"if-none-match": first.headers["etag"]}
    again = application.ask("/page/app.js", "GET", headers=headers)

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"  # so that it asks


@pytest.mark.parametrize("name", ["index.html", "..%2fendpoints.py", "nothing.js"])
def test_what_lies_beside_the_files_is_not_served(
    application: Application, name: str
) -> None:
    refused(application.ask(f"/page/{name}", "GET"), 404, "not_found")


def test_where_the_page_is_switched_off_everybody_is_told_the_same(
    tmp_path: Path,
) -> None:
    application = Application(tmp_path, playground=False)
    page = application.ask("/", "GET", headers={"accept": BROWSER})
    assert page.json() == {"status": "alive"}
    refused(application.ask("/page/app.js", "GET"), 404, "not_found")
    application.close()
