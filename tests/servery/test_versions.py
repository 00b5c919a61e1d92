"""A version is written whole or not at all."""

from pathlib import Path

import pytest

from servery.versions import ExportRefused, check_name, write_version


def write(folder: Path, number: int) -> None:
    (folder / "number").write_text(str(number))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_versions_count_up(tmp_path: Path) -> None:
    folders = [write_version(tmp_path, "tiny", write) for _ in range(2)]

    assert folders == [tmp_path / "tiny" / "1", tmp_path / "tiny" / "2"]
    assert [(folder / "number").read_text() for folder in folders] == ["1", "2"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path, number: int) -> None:
        write(folder, number)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        write_version(tmp_path, "tiny", fail)

    assert names_in(tmp_path) == set()


def test_of_two_at_a_time_the_slower_is_refused_and_the_faster_stays(
    tmp_path: Path,
) -> None:
    def overtaken(folder: Path, number: int) -> None:
        write_version(tmp_path, "tiny", write)

    with pytest.raises(ExportRefused, match="version 1 of tiny exists"):
        write_version(tmp_path, "tiny", overtaken)

    assert names_in(tmp_path / "tiny") == {"1"}
    assert (tmp_path / "tiny" / "1" / "number").read_text() == "1"


@pytest.mark.parametrize("name", ["half_plus_two", "BERT-base.v1", "7", "a" * 128])
def test_a_name_that_fits_into_a_url_is_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a b", "ä", "a" * 129])
def test_any_other_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportRefused, match="name: expected"):
        write_version(tmp_path, name, write)

    assert names_in(tmp_path) == set()
