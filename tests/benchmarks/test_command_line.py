from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main


def test_without_wrk_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)

    result = CliRunner().invoke(main, ["--quick"])

    assert result.exit_code == 1
    assert "apt-get install wrk" in result.output


def test_without_a_model_it_says_how_to_train_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/wrk")
    monkeypatch.setattr("benchmarks.__main__.ARTIFACTS", tmp_path)

    result = CliRunner().invoke(main, ["--quick"])

    assert result.exit_code == 1
    assert "make train" in result.output
