"""The tutorial, done as it stands; and the notebook, which is the same text."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pages import ROOT, promised, run
from tests.e2e.server import free_port

FOLDER = ROOT / "docs" / "tutorial"
PAGE, NOTEBOOK = FOLDER / "tutorial.md", FOLDER / "tutorial.ipynb"


def cells() -> list[tuple[str, str]]:
    """The page as `markdown`, `python` and `sh`, in its order."""
    pieces = re.split(
        r"```(python|sh)\n(.*?)```\n", PAGE.read_text("utf-8"), flags=re.S
    )
    found = [("markdown", pieces[0])]
    for kind, code, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        found += [(kind, code), ("markdown", text)]
    return [(kind, text.strip()) for kind, text in found if text.strip()]


def to_notebook() -> str:
    """The page as a notebook of nbformat 4.5; shell commands are cells of `%%bash`."""
    made: list[dict[str, Any]] = []
    for number, (kind, text) in enumerate(cells(), 1):
        text = f"%%bash\n{text}" if kind == "sh" else text
        lines = text.splitlines(keepends=True)
        cell = {"id": f"cell-{number}", "metadata": {}, "source": lines}
        if kind == "markdown":
            made.append({"cell_type": "markdown", **cell})
        else:
            new: dict[str, Any] = {"execution_count": None, "outputs": []}
            made.append({"cell_type": "code", **cell, **new})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4,
                "nbformat_minor": 5}  # fmt: skip
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def test_the_notebook_is_the_page() -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        NOTEBOOK.write_text(to_notebook(), "utf-8")
    assert NOTEBOOK.read_text("utf-8") == to_notebook(), (
        "the tutorial has changed: UPDATE_SNAPSHOTS=1 make test writes its notebook"
    )


@pytest.mark.slow
@pytest.mark.timeout(900)  # it imports TensorFlow twice, and trains
def test_it_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sys.executable).parent  # where `servery` is
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    program = ["import atexit, subprocess", "atexit.register(lambda: server.kill())"]
    for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and code.startswith("%%bash\n"):
            command = ["bash", "-e", "-c", code.removeprefix("%%bash\n")]
            program.append(f"subprocess.run({command}, check=True)")
        elif cell["cell_type"] == "code":
            program.append(code)
    text = "\n".join(program).replace("8000", str(free_port()))

    printed = run([sys.executable, "-u", "-c", text], tmp_path)

    lines = printed.splitlines()
    expected = promised(text)
    assert [line for line in lines if line in expected] == expected
    assert "three.png is a 3" in lines
    assert any(line.startswith("servery_batch_rows_count") for line in lines)
