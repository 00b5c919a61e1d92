"""Pages of the documentation, as programs that a test runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def blocks(page: Path, language: str, *words: str) -> list[str]:
    """A page's blocks of a language in which these words stand."""
    found = re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    return [block for block in found if all(word in block for word in words)]


def run(command: list[str], folder: Path) -> str:
    """What a program prints that has to succeed, with this source and its Python."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def promised(code: str) -> list[str]:
    """What stands behind `#` where something is printed, or alone on a line."""
    marked = re.findall(r"^ *(?:print\(.*\)  )?# (.*)$", code, re.MULTILINE)
    return list(marked)
