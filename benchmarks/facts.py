"""What a figure is worth nothing without: machine, versions, commit, settings."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.subjects import ROOT, cores
from service.contract.manifest import read_manifest
from service.settings import Settings

PACKAGES = ("tensorflow", "fastapi", "uvicorn", "uvloop", "httptools", "pillow")
GIB = 2**30


def gather_facts(folder: Path) -> dict[str, str]:
    """What to say at the head of a page, of `folder`, the version that is measured."""
    settings = Settings()
    model, system = read_manifest(folder), platform.freedesktop_os_release()
    accuracy = model.metrics["test"]["accuracy"]
    processor = Path("/proc/cpuinfo").read_text().partition("model name\t: ")[2]
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    wrk = _output("wrk", "-v").partition("wrk ")[2].partition(" ")[0]
    changed = _output("git", "status", "--porcelain", "--", "service", "benchmarks")
    commit = _output("git", "rev-parse", "--short=12", "HEAD").strip() or "unknown"
    changes = sorted(settings.model_fields_set)
    given = ", ".join(f"{each}={getattr(settings, each)}" for each in changes)
    return {
        "Date": now(),
        "Commit": commit + (", with changes" if changed else ""),
        "Machine": f"{processor.partition(chr(10))[0] or platform.machine()}, "
        f"{cores()} cores, {gib:.0f} GiB",
        "System": f"{system['PRETTY_NAME']}, Linux {platform.release()}",
        "Versions": f"Python {platform.python_version()}, {packages}, wrk {wrk}",
        "Model": f"{model.name} {model.version}, test accuracy {accuracy}",
        "Servery": f"`servery serve` with {given or 'default settings'}: HTTP "
        f"processes: {settings.number_of_http_processes()}, engine: 1, TensorFlow "
        f"threads: {settings.number_of_tensorflow_threads()}; the access log goes to "
        "a file",
    }


def now() -> str:
    """Date and time."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        return ""
