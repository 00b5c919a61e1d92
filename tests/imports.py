"""What a new process has imported after it did something."""

import subprocess
import sys
from collections.abc import Collection


def imported(code: str, *, of: Collection[str]) -> list[str]:
    """Those of these modules that are there after `code`; None is none."""
    tell = f"import sys; print(*filter(sys.modules.get, {sorted(of)}))"
    command = [sys.executable, "-c", f"{code}\n{tell}"]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return found.stdout.splitlines()[-1].split()
