"""A run by a pool of engines on a real Ray, some of which are killed."""

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.batch.running import houses, price, read, score
from tests.ray_cluster import cluster, needs_ray
from tests.tasks import declared

pytestmark = [
    needs_ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray's own
]
__all__ = ["cluster"]


def find_actors() -> list[int]:
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if "ray::" in " ".join(each.info["cmdline"] or [])
        and "MapBatches" in " ".join(each.info["cmdline"])
    ]


def test_rows_are_scored_once_each_though_an_engine_is_killed(
    tmp_path: Path, cluster: None
) -> None:
    artifacts, table, out = tmp_path / "models", tmp_path / "t.parquet", tmp_path / "o"
    declared.write_house(artifacts)
    pq.write_table(houses(20_000, rows=(7,)), table)
    killed: list[int] = []

    def kill_one() -> None:
        while len([*out.glob("part-*")]) < 5:
            time.sleep(0.02)
        for pid in find_actors()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killer = threading.Thread(target=kill_one)
    killer.start()
    words = ("--engine", "ray", "house", table, out, "--rows", 100)
    result = score(*words, artifacts=artifacts)
    killer.join()
    assert result.exit_code == 3, result.output
    assert killed
    rows = read(out)
    assert [row["id"] for row in rows] == [*range(20_000)]
    assert [row["id"] for row in rows if row["error"]] == [7]
    assert all(
        row["error"] or row["value"] == pytest.approx(price(row)) for row in rows
    )
    again = score("house", table, out, artifacts=artifacts)  # and here, without Ray
    assert again.exit_code == 3
    assert "20,000 rows are done" in again.output
