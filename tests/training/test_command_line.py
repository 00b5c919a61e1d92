"""`python -m training` finds its trainers and says what they take."""

import re

import pytest
from click.testing import CliRunner

from training.__main__ import cli
from training.options import RunOptions


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_help_lists_every_trainer_and_all(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["--help"])

    assert result.exit_code == 0
    assert "all " in result.output
    assert re.search(r"digits +Handwritten digits", result.output)


@pytest.mark.parametrize("command", ["digits", "all"])
def test_every_trainer_takes_the_common_options(
    runner: CliRunner, command: str
) -> None:
    result = runner.invoke(cli, [command, "--help"])

    assert result.exit_code == 0
    for option in RunOptions.__slots__:
        assert f"--{option.replace('_', '-')}" in result.output


def test_an_unknown_trainer_is_refused(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["horoscopes"])

    assert result.exit_code == 2
    assert "No such command 'horoscopes'" in result.output
