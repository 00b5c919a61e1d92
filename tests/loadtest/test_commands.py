import subprocess
import sys

import pytest
from click.testing import CliRunner

from loadtest.commands import cli
from loadtest.target import is_local
from service.cli import cli as servery
from tests.imports import imported

NOWHERE = ["--url", "http://127.0.0.1:1"]


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.9.10", True),
        ("http://[::1]:8000", True),
        ("http://localhost:8000", True),
        ("http://10.0.0.1:8000", False),
        ("https://example.org", False),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("example.org", False),
    ],
)
def test_only_this_machine_is_local(url: str, *, local: bool) -> None:
    assert is_local(url) is local


@pytest.mark.parametrize("command", ["run", "find-limit"])
def test_another_machine_is_loaded_only_when_told_to(command: str) -> None:
    objective = ["--objective", "p99<1s"] if command == "find-limit" else []

    result = CliRunner().invoke(
        cli, [command, *objective, "--url", "http://example.org"]
    )

    assert result.exit_code == 2
    assert "--allow-remote" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rate", "5", "--connections", "5"], "received both"),
        (["--profile", "ramp"], "--profile ramp: expected --rate"),
        (["--duration", "soon"], "expected 500ms, 10s, 2m or 1h, received 'soon'"),
        (["--assert", "p99<5"], "expected p99 as us or ms or s"),
        (["--images", "tiff"], "tiff"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    arguments: list[str], message: str
) -> None:
    result = CliRunner().invoke(cli, ["run", *NOWHERE, *arguments])

    assert result.exit_code == 2
    assert message in result.output


def test_a_service_that_is_not_there_is_said_plainly() -> None:
    result = CliRunner().invoke(cli, ["run", *NOWHERE])

    assert result.exit_code == 1
    assert "Is the service running? servery serve" in result.output


@pytest.mark.parametrize("command", [[], ["run"], ["find-limit"], ["workloads"]])
def test_help_reads_well(command: list[str]) -> None:
    result = CliRunner().invoke(servery, ["loadtest", *command, "--help"])

    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_workloads_are_listed() -> None:
    result = CliRunner().invoke(servery, ["loadtest", "workloads"])

    assert "digits      60  POST /v1/predict/digits" in result.output


def test_the_service_does_not_import_the_load_tests() -> None:
    code = "import service.cli, service.processes.supervisor"
    assert imported(code, of={"loadtest", "httpx", "matplotlib", "rich"}) == []


@pytest.mark.parametrize("missing", ["httpx", "rich", "matplotlib"])
def test_without_the_extra_it_says_how_to_get_it(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from service.cli import cli; cli(['loadtest', 'workloads'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert "pip install 'servery[loadtest]'" in found.stderr
