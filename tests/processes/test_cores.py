"""A container's quota counts, where it is less than the cores."""

import os
from pathlib import Path

import pytest

from service.processes.cores import available_cores

GRANTED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("max 100000", GRANTED),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("110000 100000", min(GRANTED, 2)),
        ("99999999 1", GRANTED),
    ],
    ids=["none", "half", "one", "a little more than one", "more than there are"],
)
def test_the_quota_of_a_container_counts(text: str, cores: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(f"{text}\n")
    assert available_cores(file) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", GRANTED), ("100000", 1)])
def test_older_kernels_say_it_in_two_files(
    quota: str, cores: int, tmp_path: Path
) -> None:
    (tmp_path / "quota").write_text(f"{quota}\n")
    (tmp_path / "period").write_text("100000\n")
    files = (tmp_path / name for name in ("none", "quota", "period"))
    assert available_cores(*files) == cores


def test_where_nothing_is_said_the_cores_count(tmp_path: Path) -> None:
    nothing = tmp_path / "none"
    assert available_cores(nothing, nothing, nothing) == GRANTED
