"""Programs that are other servers' clients, in an environment of their own.

tritonclient wants an older protobuf than the service, and brings messages of the same
names: it cannot live in the process of the tests. `make clients` builds its home.
"""

import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[2] / ".venv-clients" / "bin" / "python"


def run_client(name: str, *arguments: str, input: bytes = b"") -> str:  # noqa: A002
    """What a program in this folder prints; that it fails is a test's failure."""
    if not PYTHON.exists():
        pytest.skip("no .venv-clients: make clients")
    done = subprocess.run(
        [PYTHON, FOLDER / f"{name}.py", *arguments],
        input=input,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
