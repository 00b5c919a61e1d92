"""A real Chromium before the real service; where there is none, these tests skip."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import ARTIFACTS
from tests.e2e.server import Server

with suppress(ImportError):  # then nothing here runs
    from playwright.sync_api import Browser, Locator, Page, sync_playwright

FAKES = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
NAMES = ("chromium", "chromium-browser", "google-chrome")

Open = Callable[..., "Page"]


def expect(part: "Locator") -> Any:
    """What is to become true of a part of the page, waited for as all else is."""
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    return expect(part)


@pytest.fixture(scope="session")
def server(shipped: Server) -> Server:
    """Of all models, in place of that of a few."""
    return shipped


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Of one module: while it runs, nothing else in this process has an event loop."""
    with launched() as browser:
        yield browser


@contextmanager
def launched(*arguments: str) -> Iterator["Browser"]:
    """A Chromium that is given these arguments besides."""
    pytest.importorskip("playwright", reason="Playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # which root cannot have
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=[*FAKES, *sandbox, *arguments]
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: "Browser", server: Server) -> Iterator[Open]:
    """Opens the page of a server; at the end, sees that all was quiet."""
    opened: list[Visit] = []

    def open_page(url: str = server.url, **options: Any) -> "Page":
        opened.append(Visit(browser, url, options))
        return opened[-1].page

    yield open_page
    for each in opened:
        each.close()


class Visit:
    """One page, what went wrong on it, and where it asked.

    Args:
        browser: In which it is opened.
        url: Of the service.
        options: Of the browser's context; `refused` says that the service will say no,
            `on_dialog` is called with what the page asks by a dialog.
    """

    def __init__(self, browser: "Browser", url: str, options: dict[str, Any]):
        self._refused = options.pop("refused", False)
        on_dialog = options.pop("on_dialog", None)
        self._host = urlsplit(url).netloc
        self._complaints: list[str] = []
        self._context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}} | options
        )
        self._context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self._context.new_page()
        self.page.on("pageerror", lambda error: self._complaints.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)
        if on_dialog is not None:
            self.page.on("dialog", on_dialog)
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]")

    def _hear(self, message: Any) -> None:
        expected = self._refused and "Failed to load resource" in message.text
        if message.type in {"error", "warning"} and not expected:
            self._complaints.append(f"{message.type}: {message.text}")

    def _see(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.netloc != self._host:
            self._complaints.append(f"asked elsewhere: {request.url}")

    def close(self) -> None:
        """End it; nothing may have gone wrong."""
        self._context.close()
        assert self._complaints == []


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of models that it has no page for: with tasks, without, and broken."""
    folder = tmp_path_factory.mktemp("strangers")
    for name, (source, task, labels) in STRANGERS.items():
        shutil.copytree(ARTIFACTS / source, folder / name)
        path = folder / name / "1" / "manifest.json"
        manifest = json.loads(path.read_text()) | {"name": name, "task": task}
        path.write_text(json.dumps(manifest | ({"labels": labels} if labels else {})))
    (folder / "broken" / "1").mkdir(parents=True)
    (folder / "broken" / "1" / "saved_model.pb").write_bytes(b"no model")
    log = tmp_path_factory.mktemp("log") / "log"
    with Server(log, artifacts=folder) as started:
        started.wait_ready()
        yield started


def _fields() -> list[dict[str, Any]]:
    numbers = {
        "credit_score": 650, "age": 40, "tenure": 5, "balance": 0,
        "num_of_products": 2, "estimated_salary": 100_000,
    }  # fmt: skip
    fields: list[dict[str, Any]] = [
        {"name": name, "kind": "number", "minimum": 0, "maximum": 2 * usual or 250_000}
        for name, usual in numbers.items()
    ]
    words = {
        "geography": ["France", "Germany", "Spain"],
        "gender": ["Female", "Male"],
    }
    fields += [{"name": n, "kind": "category", "words": w} for n, w in words.items()]
    switches = ("has_cr_card", "is_active_member")
    return fields + [{"name": name, "kind": "boolean"} for name in switches]


CUSTOMER = {
    "credit_score": 500, "age": 58, "tenure": 1, "balance": 120_000,
    "num_of_products": 3, "estimated_salary": 50_000, "geography": "Germany",
    "gender": "Female", "has_cr_card": True, "is_active_member": False,
}  # fmt: skip
STRANGERS: dict[str, tuple[str, Any, list[str]]] = {
    "customers": (
        "churn",
        {
            "kind": "tabular-classification",
            "fields": _fields(),
            "examples": [{"title": "On the way out", "request": {"record": CUSTOMER}}],
        },
        [],
    ),
    "numerals": (
        "digits",
        {"kind": "image-classification", "size": [28, 28], "colour": "grey"},
        [],
    ),
    "films": ("sentiment", {"kind": "text-classification"}, ["negative", "positive"]),
    "wardrobe": (
        "clothing_gan",
        {"kind": "image-generation", "signature": "decode"},
        [],
    ),
    "waves": ("sine", "regression", []),
}
