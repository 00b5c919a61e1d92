"""What docs/security.md and SECURITY.md point at is there."""

import re
from pathlib import Path

from service.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text()
POLICY = (ROOT / "SECURITY.md").read_text()


def test_each_of_the_ten_risks_says_what_shows_it_and_what_is_left() -> None:
    risks = re.split(r"^### (API\d+): ", PAGE, flags=re.MULTILINE)[1:]
    assert risks[::2] == [f"API{number}" for number in range(1, 11)]
    assert all("\nShown: " in text for text in risks[1::2])
    assert all("\nLeft to you: " in text for text in risks[1::2])


def test_tests_and_files_that_are_named_are_there() -> None:
    named = re.findall(r"`((?:tests|deploy|service|docs)/[\w/.-]+)`", PAGE)
    assert len(named) > 20
    assert [each for each in named if not (ROOT / each).exists()] == []


def test_settings_that_are_named_are_settings() -> None:
    named = re.findall(r"SERVERY_([A-Z_]+)", PAGE)
    settings = {each.upper() for each in Settings.model_fields}
    clients = {"API_KEY", "CA", "CLIENT_CERTIFICATE"}
    assert set(named) <= settings | clients


def test_the_policy_points_at_what_is_there() -> None:
    links = re.findall(r"\]\((?!https)([^)#]+)", POLICY)
    assert links
    assert [each for each in links if not (ROOT / each).exists()] == []
    targets = re.findall(r"^make (\w+)", POLICY, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert {"digests", "sbom"} <= set(targets)
    assert all(f"\n{each}: " in makefile for each in targets)
