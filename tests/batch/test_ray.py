"""A run by a pool of engines on a real Ray, some of which are killed."""

import math
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.batch.running import read, score
from tests.ray_cluster import cluster, needs_ray

pytestmark = [
    needs_ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # Ray's own
    pytest.mark.timeout(1800),
]
__all__ = ["cluster"]

ARTIFACTS = Path(__file__).parents[2] / "artifacts"


def find_actors() -> list[int]:
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if "ray::" in " ".join(each.info["cmdline"] or [])
        and "MapBatches" in " ".join(each.info["cmdline"])
    ]


def test_rows_are_scored_once_each_though_an_engine_is_killed(
    tmp_path: Path, cluster: str
) -> None:
    table, out = tmp_path / "t.parquet", tmp_path / "out"
    angles = [None if n == 7 else n / 10_000 for n in range(20_000)]
    pq.write_table(pa.table({"id": range(20_000), "x": angles}), table)
    killed: list[int] = []

    def kill_one() -> None:
        while len([*out.glob("part-*")]) < 5:
            time.sleep(0.02)
        for pid in find_actors()[:1]:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killer = threading.Thread(target=kill_one)
    killer.start()
    words = ("--engine", "ray", "sine", table, out, "--rows", 100)
    result = score(*words, artifacts=ARTIFACTS)
    killer.join()
    assert result.exit_code == 3, result.output
    assert killed
    rows = read(out)
    assert [row["id"] for row in rows] == [*range(20_000)]
    assert [row["id"] for row in rows if row["error"]] == [7]
    for row in rows:
        if not row["error"]:
            assert row["value"] == pytest.approx(math.sin(row["x"]), abs=0.01)
    again = score("sine", table, out, artifacts=ARTIFACTS)  # and here, without Ray
    assert again.exit_code == 3
    assert "20,000 rows are done" in again.output
