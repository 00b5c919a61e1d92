"""The file of keys: what it may say, and how commands change it."""

import stat
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.access.editing import add_key, remove_key
from service.access.keys import ApiKey, KeysError, hash_key, make_key, read_keys
from service.cli import cli

SHA = "ab" * 32
FIRST = f'[keys.first]\nsha256 = "{SHA}"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def command(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["keys", words[0], "--file", str(path), *words[1:]])


def said(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(KeysError) as caught:
        read_keys(path)
    return str(caught.value)


def test_a_key_is_printed_once_and_only_its_hash_is_kept(path: Path) -> None:
    result = command(path, "add", "app", "--models", "digits, sent*")
    key = result.stdout.strip()
    assert result.exit_code == 0
    assert key.startswith("servery_")
    assert key not in path.read_text()
    known = read_keys(path)["app"]
    assert known.sha256 == hash_key(key.encode()).hex()
    assert known.models == ("digits", "sent*")


def test_the_file_is_its_owners_alone(path: Path) -> None:
    command(path, "add", "app")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_all_that_can_be_said_of_a_key_is_read_again(path: Path) -> None:
    limits = ["--requests-per-s", "20", "--rows-per-s", "0.5", "--priority", "bulk"]
    command(path, "add", "app", *limits, "--expires", "2030-01-02")
    key = read_keys(path)["app"]
    assert (key.requests_per_s, key.rows_per_s, key.priority) == (20, 0.5, "bulk")
    assert key.expires is not None
    assert key.expires.isoformat() == "2030-01-02T00:00:00+00:00"
    listed = command(path, "list").stdout
    assert "app" in listed
    assert "20 requests/s; 0.5 rows/s; bulk only; expires 2030-01-02" in listed


def test_a_key_that_is_over_is_listed_as_expired(path: Path) -> None:
    command(path, "add", "old", "--expires", "2020-01-01")
    assert "expired 2020-01-01" in command(path, "list").stdout


def test_keys_are_256_random_bits() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {len("servery_") + 43}


def test_revoking_leaves_the_others_and_what_people_have_written(path: Path) -> None:
    second = f'[keys."second"]  # of the shop\nsha256 = "{"cd" * 32}"\n'
    path.write_text(f"# ours\n{FIRST}\n{second}")
    assert command(path, "revoke", "first").exit_code == 0
    assert path.read_text() == f"# ours\n{second}"
    assert command(path, "revoke", "second").exit_code == 0
    assert read_keys(path) == {}


def test_a_name_is_used_once_and_unknown_ones_are_not_revoked(path: Path) -> None:
    path.write_text(FIRST)
    again = command(path, "add", "first")
    assert again.exit_code == 1
    assert "expected a new name, received first" in again.stderr
    unknown = command(path, "revoke", "frist")
    assert "expected one of first; received frist" in unknown.stderr
    assert path.read_text() == FIRST


def test_a_file_in_another_form_is_left_to_people(path: Path) -> None:
    text = f'keys = {{first = {{sha256 = "{SHA}"}}}}\n'
    path.write_text(text)
    with pytest.raises(KeysError, match="change it by hand"):
        remove_key(path, "first")
    assert path.read_text() == text


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    path.write_text(FIRST)
    link = tmp_path / "link"
    link.symlink_to(path)
    remove_key(link, "first")
    assert link.is_symlink()
    assert read_keys(path) == {}


def test_keys_that_are_added_at_the_same_time_are_all_there(path: Path) -> None:
    def add(number: int) -> None:
        digest = hash_key(str(number).encode()).hex()
        add_key(path, f"key-{number}", ApiKey(sha256=digest))

    threads = [threading.Thread(target=add, args=(each,)) for each in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_keys(path)) == 10


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[keys.a\n", ["expected TOML"]),
        ("[keys.a]\n", ["keys.a.sha256: Field required"]),
        ('[keys."a b"]\n', ["expected a name"]),
        (FIRST + "models = []\n", ["models", "at least 1 item"]),
        (FIRST + "requests_per_s = 0\n", ["requests_per_s", "0.001"]),
        (FIRST + "rows_per_s = true\n", ["rows_per_s", "True"]),
        (FIRST + "expires = 2030-01-01T00:00:00\n", ["expires", "timezone"]),
        (FIRST + FIRST.replace("first", "second"), ["first and second"]),
        ("[key.a]\n", ["key: expected no such field"]),
    ],
    ids=lambda each: each if isinstance(each, str) else None,
)
def test_what_is_wrong_with_a_file_is_said(
    path: Path, text: str, parts: list[str]
) -> None:
    message = said(path, text)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize("field", ["sha256", "key"])
def test_a_key_that_was_written_into_the_file_is_not_repeated(
    path: Path, field: str
) -> None:
    key = make_key()
    assert key[:20] not in said(path, f'[keys.a]\n{field} = "{key}"\n')


def test_no_file_and_a_folder_are_no_keys(path: Path, tmp_path: Path) -> None:
    for wrong in (path, tmp_path):
        with pytest.raises(KeysError, match="cannot be read"):
            read_keys(wrong)


def test_the_service_does_not_start_without_its_file(path: Path) -> None:
    result = CliRunner().invoke(cli, ["serve", "--port", "0", "--api-keys", str(path)])
    assert result.exit_code == 1
    assert "SERVERY_API_KEYS" in result.stderr
    assert "cannot be read" in result.stderr
