"""Runs of `servery batch` on small models whose answers can be told by heart."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner, Result

from service.cli import cli

ROOT = Path(__file__).parents[2]


def score(*words: Any, artifacts: Path) -> Result:
    """Run `servery batch` in this process."""
    arguments = ["batch", *map(str, words), "--artifacts", str(artifacts)]
    return CliRunner().invoke(cli, arguments)


def start(*words: Any, artifacts: Path) -> subprocess.Popen[str]:
    """Start `servery batch` in a process of its own."""
    arguments = ["batch", *map(str, words), "--artifacts", str(artifacts)]
    return subprocess.Popen(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def read(folder: Path) -> list[dict[str, Any]]:
    """All rows of an output, in order."""
    return list(pq.read_table(folder).to_pylist())


def journal(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "_servery.json").read_text())
    return found


def houses(count: int, rows: Sequence[int] = ()) -> pa.Table:
    """So many houses; the area of those in `rows` is no area."""
    return pa.table(
        {
            "id": range(count),
            "area": [-1.0 if n in rows else 1.0 + n % 100 for n in range(count)],
            "rooms": [1 + n % 5 for n in range(count)],
            "heating": [("gas", "wood", None)[n % 3] for n in range(count)],
            "garden": [n % 2 == 0 for n in range(count)],
        }
    )


def price(row: dict[str, Any]) -> float:
    """What the model `house` says of one."""
    heating = {"gas": 5, "wood": 7, None: 5}[row["heating"]]
    return float(1000 * row["area"] + row["rooms"] + heating + row["garden"])
