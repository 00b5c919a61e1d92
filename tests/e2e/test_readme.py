"""The README's own words, done as they stand."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.server import Server

ROOT = Path(__file__).parents[2]


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_readme_s_curl_gives_the_readme_s_answer(server: Server) -> None:
    (command,) = [block for block in blocks("sh") if block.startswith("curl")]
    address = server.url.removeprefix("http://")
    words = shlex.split(command.replace("localhost:8000", address))
    answer = subprocess.run(
        [*words, "--silent"], capture_output=True, check=True, cwd=ROOT
    )
    received = json.loads(answer.stdout)
    expected = json.loads(blocks("json")[0])
    got, wanted = received.pop("predictions")[0], expected.pop("predictions")[0]
    assert received == expected
    assert got["digit"] == wanted["digit"]
    assert got["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-3)


def test_the_readme_s_make_targets_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
