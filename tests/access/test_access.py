"""Who is let in by a file of keys, and what a change of the file does."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from service.access.access import Access
from service.access.editing import add_key, remove_key
from service.access.keys import ApiKey, hash_key
from service.errors import Forbidden, RateExceeded, Unauthenticated, Unavailable
from service.metrics import Metrics
from service.web.http.record import RequestRecord

Ask = Callable[..., RequestRecord]
APP = "the key of app"


def write(path: Path, name: str, **limits: object) -> None:
    digest = hash_key(f"the key of {name}".encode()).hex()
    add_key(path, name, ApiKey.model_validate({"sha256": digest, **limits}))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    write(path, "app", models=("digits", "sent*"))
    return path


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def access(path: Path, registry: CollectorRegistry) -> Access:
    return Access(path, Metrics(registry))


def record(**headers: str) -> RequestRecord:
    shown = {k.replace("_", "-").encode(): v.encode() for k, v in headers.items()}
    return RequestRecord("POST", "/v1/predict/digits", "", shown)


def test_without_a_file_everybody_may_ask_everything() -> None:
    access, asked = Access(None, Metrics(CollectorRegistry())), record()
    access.check(asked, "digits")
    access.take(asked, 10**9)
    assert asked.caller is None


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {APP}"},
        {"authorization": f"bearer  {APP} "},
        {"x_api_key": APP},
        {"x_api_key": APP, "authorization": "Basic dXNlcjpwYXNz"},
        {"x_api_key": APP, "authorization": "Bearer of another kind"},
    ],
)
def test_a_key_comes_in_either_header(access: Access, headers: dict[str, str]) -> None:
    asked = record(**headers)
    access.check(asked, "digits")
    assert asked.caller is not None
    assert asked.caller.name == "app"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {APP}"},
        {"authorization": APP},
        {"x_api_key": ""},
        {"x_api_key": "", "authorization": f"Bearer {APP}"},
        {"x_api_key": "wrong", "authorization": f"Bearer {APP}"},
        {"x_api_key": hash_key(APP.encode()).hex()},
    ],
)
def test_whatever_else_is_shown_opens_nothing(
    access: Access, headers: dict[str, str]
) -> None:
    asked = record(**headers)
    with pytest.raises(Unauthenticated) as caught:
        access.check(asked, "digits")
    assert asked.caller is None
    assert caught.value.headers == {"www-authenticate": "Bearer"}
    assert APP not in caught.value.message


@pytest.mark.parametrize("model", ["digits", "sentiment", "sent"])
def test_patterns_name_what_may_be_asked(access: Access, model: str) -> None:
    access.check(record(x_api_key=APP), model)


@pytest.mark.parametrize("model", ["Digits", "digits2", "consent", "photo", ""])
def test_and_nothing_else(access: Access, model: str) -> None:
    with pytest.raises(Forbidden, match="expected digits, sent"):
        access.check(record(x_api_key=APP), model)


def test_a_key_that_is_over_is_named_to_whoever_holds_it(
    path: Path, access: Access
) -> None:
    write(path, "old", expires=datetime(2020, 1, 1, tzinfo=UTC))
    write(path, "new", expires=datetime.fromtimestamp(time.time() + 3600, UTC))
    access.look()
    access.check(record(x_api_key="the key of new"), "digits")
    with pytest.raises(Unauthenticated, match="old, which has expired"):
        access.identify(record(x_api_key="the key of old"))


def test_a_request_is_counted_once(path: Path, access: Access) -> None:
    write(path, "slow", requests_per_s=0.001)
    access.look()
    asked = record(x_api_key="the key of slow")
    access.identify(asked)
    access.identify(asked)
    access.check(asked, "digits")
    with pytest.raises(RateExceeded, match=r"0.001 requests/s") as caught:
        access.identify(record(x_api_key="the key of slow"))
    assert 0 < int(caught.value.headers["retry-after"]) <= 1000


def test_who_is_behind_with_rows_is_stopped_before_the_body(
    path: Path, access: Access
) -> None:
    write(path, "narrow", rows_per_s=0.001)
    access.look()
    first, second = (record(x_api_key="the key of narrow") for _ in range(2))
    access.identify(first)
    access.identify(second)
    access.take(first, 5)
    with pytest.raises(RateExceeded):
        access.take(second, 1)
    with pytest.raises(RateExceeded, match="rows/s"):
        access.identify(record(x_api_key="the key of narrow"))


def test_a_request_that_asks_again_is_not_refused_half_way(
    path: Path, access: Access
) -> None:
    write(path, "narrow", rows_per_s=0.001)
    access.look()
    asked = record(x_api_key="the key of narrow")
    access.check(asked, "digits")
    access.take(asked, 5)
    asked.rows = 5
    access.take(asked, 30)
    with pytest.raises(RateExceeded):
        access.identify(record(x_api_key="the key of narrow"))


def test_what_was_used_is_not_given_back_by_a_change_of_the_file(
    path: Path, access: Access
) -> None:
    write(path, "slow", requests_per_s=0.001)
    access.look()
    access.identify(record(x_api_key="the key of slow"))
    write(path, "another")
    access.look()
    with pytest.raises(RateExceeded):
        access.identify(record(x_api_key="the key of slow"))


def test_a_revoked_key_is_worth_nothing(path: Path, access: Access) -> None:
    remove_key(path, "app")
    access.look()
    with pytest.raises(Unauthenticated, match="not known here"):
        access.identify(record(x_api_key=APP))


@pytest.mark.parametrize("breaks", [lambda path: path.write_text("[["), Path.unlink])
def test_a_broken_file_leaves_the_last_good_one_in_force(
    path: Path,
    access: Access,
    registry: CollectorRegistry,
    breaks: Callable[[Path], None],
) -> None:
    breaks(path)
    access.look()
    access.check(record(x_api_key=APP), "digits")
    assert registry.get_sample_value("servery_api_keys_broken") == 1
    path.write_text("")
    access.look()
    assert registry.get_sample_value("servery_api_keys_broken") == 0
    with pytest.raises(Unauthenticated):
        access.identify(record(x_api_key=APP))


def test_a_process_that_starts_with_a_broken_file_knows_nobody(path: Path) -> None:
    path.write_text("[[")
    access = Access(path, Metrics(CollectorRegistry()))
    with pytest.raises(Unavailable):
        access.identify(record(x_api_key=APP))
