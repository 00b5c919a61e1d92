"""What `servery drift` says of counts and records."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from service.cli import cli
from service.drift.files import Bounds, ModelFiles
from service.drift.inputs import compare_column
from service.drift.report import compare, tell
from service.drift.rows import to_lines
from tests.drift.cases import contract, outcome, reference
from tests.versions import SHIPPED

MIX = (0.5, 0.3, 0.2)


def report(counts: dict[str, int], ratios: Sequence[float] = MIX, **more: Any) -> Any:
    return compare("pets", 1, reference(contract(), ratios), counts, 0.9, **more)


def text(given: Any) -> str:
    return "\n".join(tell(given))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["drift", *map(str, arguments)])


def digits_recorded(folder: Path, digits: Sequence[int], seconds: float = 0.0) -> None:
    """Have these digits been recorded, of version 2."""
    from service.contract.version import read_version

    home = SHIPPED / "digits" / "2"
    of = read_version(home, "digits", 2, verify=False).contract
    scores = np.full((len(digits), 11), 0.01)
    scores[np.arange(len(digits)), list(digits)] = 0.9
    images = np.full((len(digits), 28, 28), 200, np.uint8)
    groups = (*of.labels, "(not a number)")
    known = reference(of).model_copy(update={"groups": groups})
    given = outcome(of, scores, images, known)
    rows = list(to_lines(seconds, "id", given, raw=False))
    ModelFiles(folder, "http-0", Bounds(10**8, 10**6), 1).append("digits", rows)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"cat": 500, "dog": 300, "owl": 200}, "as in training"),
        ({"cat": 400, "dog": 200, "owl": 400}, "moved a little"),
        ({"cat": 100, "dog": 100, "owl": 800}, "another population"),
        ({"cat": 0, "dog": 0, "owl": 199}, "too few rows to tell"),
        ({}, "nothing to compare with"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_the_verdict_follows_the_index(counts: dict[str, int], verdict: str) -> None:
    assert report(counts).verdict == verdict


def test_a_report_reads_well() -> None:
    assert text(report({"cat": 100, "dog": 100, "owl": 800})).splitlines()[3:] == [
        "  cat     10.0%     50.0%",
        "  dog     10.0%     30.0%",
        "  owl     80.0%     20.0%",
        "  labels: PSI 1.689, another population (by chance up to 0.033; beyond 0.25 "
        "it is another population)",
        "  confidence: 0.900",
    ]


def test_where_training_is_not_known_that_is_said() -> None:
    said = text(report({"cat": 300}, ()))
    assert "no reference: " in said
    assert "cat    100.0%         ?" in said
    assert "PSI" not in said


def test_a_label_that_training_does_not_know_counts() -> None:
    found = report({"cat": 100, "unheard of": 900})
    assert found.groups[-1].name == "unheard of"
    assert found.verdict == "another population"


def test_control_characters_do_not_reach_the_terminal() -> None:
    said = text(report({"\x1b]0;owned\x07\n": 900}))
    assert "\x1b" not in said
    assert "\\x1b]0;owned\\x07\\n" in said


def test_numbers_that_moved_are_told_from_those_that_did_not() -> None:
    rng = np.random.default_rng(3)
    training = rng.normal(size=500).tolist()
    same, moved = rng.normal(size=900).tolist(), rng.normal(2, size=900).tolist()
    verdicts = []
    for values in (same, moved):
        column = compare_column("x", values, training)
        assert column is not None
        verdicts.append(column.verdict)
    assert verdicts == ["as in training", "another population"]


def test_words_are_compared_by_their_shares() -> None:
    column = compare_column("city", ["Rome"] * 900, ["Rome", "Oslo"] * 100)
    assert column is not None
    assert column.verdict == "another population"
    assert column.mean is None


@pytest.mark.parametrize(
    ("values", "expected"), [([], [1.0] * 9), ([1.0], []), ([1.0], [2.0])]
)
def test_columns_of_which_little_is_known_are_left_out(
    values: list[float], expected: list[float]
) -> None:
    assert compare_column("x", values, expected) is None


def test_what_was_recorded_is_reported_with_its_inputs(tmp_path: Path) -> None:
    digits_recorded(tmp_path, [8] * 400)
    done = run("digits", "--folder", tmp_path, "--artifacts", SHIPPED)
    assert done.exit_code == 0, done.output
    assert "digits 2: 400 predictions" in done.output
    assert "labels: PSI" in done.output
    assert "another population" in done.output
    assert "input images.mean: PSI" in done.output


def test_programs_get_all_of_it_as_json(tmp_path: Path) -> None:
    digits_recorded(tmp_path, [8] * 400)
    done = run("--folder", tmp_path, "--artifacts", SHIPPED, "--json")
    (found,) = json.loads(done.output)
    assert (found["model"], found["version"], found["rows"]) == ("digits", 2, 400)
    assert found["verdict"] == "another population"
    assert {each["name"] for each in found["columns"]} == {
        "images.mean",
        "images.deviation",
    }


def test_only_what_came_later_counts_if_that_is_asked(tmp_path: Path) -> None:
    november = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    digits_recorded(tmp_path, [1] * 300)
    digits_recorded(tmp_path, [2] * 250, november)
    done = run("--folder", tmp_path, "--artifacts", SHIPPED, "--since", "2026-10-01")
    assert "digits 2: 250 predictions" in done.output


def test_lines_that_are_broken_are_counted_and_left_out(tmp_path: Path) -> None:
    digits_recorded(tmp_path, [1] * 300)
    with (tmp_path / "digits" / "http-0.jsonl").open("ab") as file:
        file.write(b'{"torn": \n\xff\xfe\n[]\n{"model": "cats", "version": 2}\n{}\n')
        file.write(b'{"model": "digits", "version": "2; rm"}\n')
    (tmp_path / "digits" / "link.jsonl").symlink_to("/etc/passwd")
    (tmp_path / "README").write_text("no folder")
    done = run("--folder", tmp_path, "--artifacts", SHIPPED)
    assert done.exit_code == 0, done.output
    assert "6 lines could not be read" in done.output


def test_a_version_that_is_no_more_is_reported_without_reference(
    tmp_path: Path,
) -> None:
    digits_recorded(tmp_path, [1] * 300)
    (tmp_path / "none").mkdir()
    done = run("--folder", tmp_path, "--artifacts", tmp_path / "none")
    assert done.exit_code == 0, done.output
    assert "no reference: the version is not among the artifacts" in done.output


def test_nothing_recorded_is_said_plainly(tmp_path: Path) -> None:
    done = run("sentiment", "--folder", tmp_path)
    assert done.exit_code == 1
    assert "no predictions of sentiment" in done.output


def test_what_is_saved_is_the_reference_from_then_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, saved = tmp_path / "drift", tmp_path / "reference.json"
    digits_recorded(folder, [8] * 400)
    done = run("--folder", folder, "--artifacts", SHIPPED, "--save", saved)
    assert done.exit_code == 0, done.output
    monkeypatch.setenv("SERVERY_DRIFT_REFERENCE", str(saved))
    done = run("--folder", folder, "--artifacts", SHIPPED)
    assert "compared with 400 predictions that are stated" in done.output
    assert "labels: PSI 0.000, as in training" in done.output


def test_too_little_is_not_saved(tmp_path: Path) -> None:
    digits_recorded(tmp_path, [8] * 20)
    saved = tmp_path / "reference.json"
    done = run("--folder", tmp_path, "--artifacts", SHIPPED, "--save", saved)
    assert done.exit_code == 1
    assert "expected a version with labels and 200 predictions" in done.output
    assert not saved.exists()


def test_a_service_that_is_not_there_is_said_plainly() -> None:
    done = run("--url", "http://127.0.0.1:9")
    assert done.exit_code == 1
    assert "http://127.0.0.1:9 cannot be asked" in done.output
