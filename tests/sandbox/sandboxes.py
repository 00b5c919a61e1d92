"""The sandbox of deploy/sandbox, as tests run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SANDBOX = ROOT / "deploy" / "sandbox" / "sandbox.py"
BARE = ("--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/")


def require_sandbox() -> None:
    """Skip where bubblewrap cannot run; say why."""
    program = shutil.which("bwrap")
    if program is None:
        pytest.skip("bubblewrap is not installed (Debian: apt-get install bubblewrap)")
    tried = subprocess.run(
        [program, *BARE, "--proc", "/proc", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"bubblewrap cannot run here: {tried.stderr.strip()}")


def command(*options: str) -> list[str]:
    """What puts a command into the sandbox."""
    return [sys.executable, str(SANDBOX), *options]


def run(code: str, *options: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run Python there."""
    return subprocess.run(
        [*command(*options), sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | more,
        cwd=ROOT,
    )
