"""Whatever lies in the artifacts folder, a look at it does not fail."""

from pathlib import Path

import pytest

from service.engine.disk import find_folder, find_versions, scan_artifacts
from tests.versions import write_version


def fingerprint(artifacts: Path) -> str:
    return scan_artifacts(artifacts).versions["times"][1].fingerprint


def contents(artifacts: Path) -> str:
    return scan_artifacts(artifacts).versions["times"][1].contents


def test_versions_are_found_by_number(tmp_path: Path) -> None:
    for version in (10, 9, 2):
        write_version(tmp_path, "times", version)
    assert find_versions(tmp_path) == {"times": [2, 9, 10]}


def test_two_folders_of_one_version_are_one_and_the_other_is_named(
    tmp_path: Path,
) -> None:
    plain = write_version(tmp_path, "times", 1)
    write_version(tmp_path, "times", 2).rename(tmp_path / "times" / "0001")
    scan = scan_artifacts(tmp_path)
    assert list(scan.versions["times"]) == [1]
    assert scan.versions["times"][1].path == plain
    assert scan.notes == {"times": ("0001 is ignored: it is version 1, as 1 is",)}


def test_a_version_may_have_zeros_before_its_number(tmp_path: Path) -> None:
    padded = write_version(tmp_path, "times", 7).rename(tmp_path / "times" / "0007")
    assert find_versions(tmp_path) == {"times": [7]}
    assert find_folder(tmp_path, "times", 7) == padded


@pytest.mark.parametrize(
    "name", ["0", "-1", "1.0", "٣", "²", "latest", ".2", "2.tmp"], ids=ascii
)
def test_other_names_are_no_versions(tmp_path: Path, name: str) -> None:
    write_version(tmp_path, "times", 1).rename(tmp_path / "times" / name)
    assert find_versions(tmp_path) == {}
    assert scan_artifacts(tmp_path).notes == {}


@pytest.mark.parametrize("name", ["4294967296", "9" * 200])
def test_a_number_that_is_too_large_is_named(tmp_path: Path, name: str) -> None:
    write_version(tmp_path, "times", 1).rename(tmp_path / "times" / name)
    ((note,),) = scan_artifacts(tmp_path).notes.values()
    assert "is ignored: expected at most 4294967295" in note


def test_any_change_of_a_file_is_another_fingerprint(tmp_path: Path) -> None:
    folder = write_version(tmp_path, "times", 1)
    seen = {fingerprint(tmp_path)}
    (folder / "factor").write_text("33")
    seen.add(fingerprint(tmp_path))
    (folder / "variables").mkdir()
    (folder / "variables" / "index").touch()
    seen.add(fingerprint(tmp_path))
    (folder / "factor").unlink()
    seen.add(fingerprint(tmp_path))
    assert len(seen) == 4


def test_hidden_files_change_no_fingerprint_but_show_that_somebody_is_writing(
    tmp_path: Path,
) -> None:
    folder = write_version(tmp_path, "times", 1)
    before = fingerprint(tmp_path), contents(tmp_path)
    (folder / ".manifest.json.Xa8r").touch()
    after = fingerprint(tmp_path), contents(tmp_path)
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_links_are_followed_and_links_in_a_circle_are_named(tmp_path: Path) -> None:
    real = write_version(tmp_path / "elsewhere", "times", 1)
    artifacts = tmp_path / "artifacts"
    (artifacts / "times").mkdir(parents=True)
    (artifacts / "times" / "1").symlink_to(real)
    (artifacts / "times" / "2").symlink_to("2")
    (artifacts / "times" / "3").symlink_to("nowhere")
    (artifacts / "circle").symlink_to("circle")
    scan = scan_artifacts(artifacts)
    assert list(scan.versions["times"]) == [1]
    assert scan.notes["times"] == (
        "2 cannot be read: Too many levels of symbolic links",
    )
    assert scan.notes["circle"] == (
        "the folder cannot be read: Too many levels of symbolic links",
    )


def test_a_version_that_holds_itself_does_not_hold_us(tmp_path: Path) -> None:
    folder = write_version(tmp_path, "times", 1)
    (folder / "again").symlink_to(".")
    (folder / "more").symlink_to(".")
    scan = scan_artifacts(tmp_path)
    assert scan.versions == {}
    ((note,),) = scan.notes.values()
    assert "1 cannot be read" in note


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_folder_that_is_none_is_a_problem(tmp_path: Path, kind: str) -> None:
    artifacts = tmp_path / "artifcats"
    if kind == "a file":
        artifacts.touch()
    scan = scan_artifacts(artifacts)
    assert not scan.readable
    assert scan.problem is not None
    assert scan.problem.startswith("the artifacts folder cannot be read: N")
