"""`servery models` on disk, and what commands say that reach no service."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli import cli
from service.cli_admin import ADMIN, COMMANDS, describe_policy
from service.contract.manifest import DIGEST
from service.contract.policy import parse_policies
from service.web import state

SHIPPED = Path("artifacts/party")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, env={"SERVERY_URL": None})


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED / "1", tmp_path / "party" / "1")
    return tmp_path


def test_policies_are_shown_with_the_models_on_disk(artifacts: Path) -> None:
    (artifacts / "models.toml").write_text(
        "[models.party]\nversions = {latest = 3}\n[models.prty]"
    )
    result = run("models", "--artifacts", str(artifacts))

    assert result.exit_code == 0
    assert "versions: the newest 3; runtime: auto" in result.output
    assert "prty               in models.toml, and not on disk" in result.output


def test_a_broken_file_is_said_and_the_models_are_shown(artifacts: Path) -> None:
    (artifacts / "models.toml").write_text("[models.party]\nversion = 3")
    result = run("models", "--artifacts", str(artifacts))

    assert result.exit_code == 1
    assert "did you mean 'versions'?" in result.output
    assert "tabular classification" in result.output


def test_edited_measures_fail_and_a_manifest_without_a_hash_is_said(
    artifacts: Path,
) -> None:
    home = artifacts / "party" / "1"
    (home / DIGEST).unlink(missing_ok=True)
    result = run("models", "--verify", "--artifacts", str(artifacts))
    assert result.exit_code == 0
    assert "party           1" in result.output
    assert "manifest not covered by a hash" in result.output

    (home / DIGEST).write_text(f"{'0' * 64}  manifest.json\n")
    result = run("models", "--verify", "--artifacts", str(artifacts))
    assert result.exit_code == 1
    assert "manifest.json: expected SHA-256 000000000000" in result.output


def test_a_policy_is_one_line() -> None:
    content = b"""
    [models.m]
    versions = [1, 2]
    labels = {stable = 1, canary = 2}
    canary = {label = "canary", share = 0.1}
    batch_sizes = [1, 8]
    """
    assert describe_policy(parse_policies(content).models["m"]) == (
        "versions: 1, 2; labels: stable 1, canary 2; canary: 0.1 of requests to "
        "canary; batch_sizes: 1, 8; runtime: auto"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("load", "party"),
        ("unload", "party", "1"),
        ("label", "party", "stable", "1"),
        ("rollback", "party"),
        ("reload",),
        ("models",),
    ],
    ids=lambda words: words[0],
)
def test_a_service_that_is_not_there_is_said_plainly(words: tuple[str, ...]) -> None:
    result = run(*words, "--url", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "http://127.0.0.1:1 cannot be asked: " in result.output


def test_an_address_that_is_none_is_said_plainly() -> None:
    assert "expected http://…" in run("reload", "--url", "localhost").output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_reads_well(command: object) -> None:
    result = run(str(getattr(command, "name", "")), "--help")
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_commands_go_where_administration_is() -> None:
    assert ADMIN == state.ADMIN
