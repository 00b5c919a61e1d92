"""`python -m training` finds the models by their folders and says what they take."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import training.__main__ as command_line
from training.__main__ import cli
from training.core.options import RunOptions
from training.datasets.fetch import DataUnavailable

ASK_FOR_HELP = """
import sys
from training.__main__ import cli
cli(["--help"], standalone_mode=False)
print(*sys.modules)
"""


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_help_lists_every_model_and_all(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["--help"])

    assert result.exit_code == 0
    assert "all " in result.output
    assert re.search(r"digits +Handwritten digits", result.output)


def test_help_takes_less_than_a_second_and_no_tensorflow() -> None:
    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime  # a busy machine does not change it

    before = spent()
    done = subprocess.run(
        [sys.executable, "-c", ASK_FOR_HELP],
        capture_output=True,
        text=True,
        check=True,
    )

    assert spent() - before < 1
    modules = set(done.stdout.splitlines()[-1].split())
    assert not modules & {"tensorflow", "keras", "sklearn", "matplotlib"}


@pytest.mark.parametrize("command", [*command_line.find_models(), "all"])
def test_every_model_takes_the_common_options(runner: CliRunner, command: str) -> None:
    result = runner.invoke(cli, [command, "--help"])

    assert result.exit_code == 0
    for option in RunOptions.__slots__:
        assert f"--{option.replace('_', '-')}" in result.output


def test_the_defaults_in_code_are_those_of_the_command_line(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        command_line, "train_model", lambda name, options: asked.append((name, options))
    )
    monkeypatch.delenv("SERVERY_DATA_DIR", raising=False)

    runner.invoke(cli, ["digits"], catch_exceptions=False)
    runner.invoke(cli, ["party", "--epochs", "3", "--quick"], catch_exceptions=False)

    assert asked == [
        ("digits", RunOptions()),
        ("party", RunOptions(epochs=3, quick=True)),
    ]


def test_a_folder_with_a_train_file_is_a_model(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "horoscopes").mkdir()
    (tmp_path / "horoscopes" / "train.py").write_text(
        'def train(options):\n    """Tells the future."""\n'
    )
    monkeypatch.setattr(command_line, "MODELS", tmp_path)

    result = runner.invoke(cli, ["--help"])

    assert re.search(r"horoscopes +Tells the future", result.output)
    assert "digits" not in result.output


def test_data_that_cannot_be_had_is_an_error_without_a_traceback(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, options: RunOptions) -> None:
        raise DataUnavailable("No source delivered votes.csv")

    monkeypatch.setattr(command_line, "train_model", fail)

    result = runner.invoke(cli, ["party"])

    assert result.exit_code == 1
    assert result.output == "Error: No source delivered votes.csv\n"


def test_one_failure_does_not_keep_the_others_from_being_trained(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []

    def train(name: str, options: RunOptions) -> None:
        if name == "digits":
            raise RuntimeError("no ink")
        trained.append(name)

    monkeypatch.setattr(command_line, "train_model", train)

    result = runner.invoke(cli, ["all"])

    assert result.exit_code == 1
    assert "not trained: digits" in result.output
    assert sorted([*trained, "digits"]) == command_line.find_models()


def test_an_unknown_model_is_refused(runner: CliRunner) -> None:
    result = runner.invoke(cli, ["horoscopes"])

    assert result.exit_code == 2
    assert "No such command 'horoscopes'" in result.output
