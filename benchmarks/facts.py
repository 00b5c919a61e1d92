"""What a figure is worth nothing without: machine, versions, commit, settings."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.subjects import ROOT, cores
from service.manifest import read_manifest
from service.settings import Settings

PACKAGES = ("tensorflow", "fastapi", "uvicorn", "uvloop", "httptools", "pillow")
GIB, MB = 2**30, 1e6


def gather_facts(settings: Settings, folder: Path) -> dict[str, str]:
    """What to say at the head of a page, in this order."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    wrk = _output("wrk", "-v").partition("wrk ")[2].partition(" ")[0] or "unknown"
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    versions = [f"Python {platform.python_version()}", *packages, f"wrk {wrk}"]
    return {
        "Date": now(),
        "Commit": _commit(),
        "Machine": f"{_processor()}, {cores()} cores, {gib:.0f} GiB",
        "System": f"{_distribution()}, Linux {platform.release()}",
        "Versions": ", ".join(versions),
        "Model": _model(folder),
        "Servery": f"`servery serve` with {_changes(settings)}: HTTP processes: "
        f"{settings.number_of_http_processes()}, engine: 1, TensorFlow threads: "
        f"{settings.number_of_tensorflow_threads()}; the access log goes to a file",
    }


def now() -> str:
    """Date and time."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _changes(settings: Settings) -> str:
    """What the environment sets; the folder of artifacts makes no difference."""
    names = sorted(settings.model_fields_set - {"artifacts"})
    given = ", ".join(f"{name}={getattr(settings, name)}" for name in names)
    return given or "default settings"


def _model(folder: Path) -> str:
    manifest = read_manifest(folder)
    size = sum(each.stat().st_size for each in folder.glob("**/*") if each.is_file())
    accuracy = manifest.metrics.get("test_accuracy")
    quality = f", test accuracy {accuracy:.2%}" if isinstance(accuracy, float) else ""
    return f"{manifest.name} {manifest.version}: {size / MB:.1f} MB{quality}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _commit() -> str:
    commit = _output("git", "rev-parse", "--short=12", "HEAD").strip() or "unknown"
    changed = _output("git", "status", "--porcelain", "--", "service", "benchmarks")
    return commit + (", with changes" if changed else "")


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout
    except FileNotFoundError:
        return ""
