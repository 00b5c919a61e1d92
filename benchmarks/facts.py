"""What a figure is worth nothing without: machine, versions, commit, settings."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Plan
from benchmarks.subjects import cores
from service.contract.manifest import read_manifest
from service.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGES = ("tensorflow", "fastapi", "uvicorn", "uvloop", "httptools", "pillow")
GIB, MB = 2**30, 1e6


def gather_facts(plan: Plan, settings: Settings, folder: Path) -> dict[str, str]:
    """What to say at the head of the report, in this order.

    Args:
        plan: Of the run.
        settings: Of Servery.
        folder: The version of the model that is measured.
    """
    return {
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Commit": _commit(),
        "Machine": f"{_processor()}, {cores()} cores, {_memory_gib():.0f} GiB",
        "System": f"{_distribution()}, Linux {platform.release()}",
        "Versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                *(f"{name} {version(name)}" for name in PACKAGES),
                f"wrk {_wrk_version()}",
            ]
        ),
        "Model": _model(folder),
        "Servery": f"`servery serve` with {_changes(settings)}: "
        f"{_count(settings.number_of_http_processes(), 'HTTP process')}, one engine "
        f"with {_count(settings.number_of_tensorflow_threads(), 'TensorFlow thread')}; "
        "the access log goes to a file",
        "Plain FastAPI": f"one worker with {_count(cores(), 'TensorFlow thread')}, and "
        f"{_count(cores(), 'worker')} with one each; uvloop, httptools, no access log",
        "Load": "wrk, one thread; 16 digits, 5 photos, 16 texts in turn; JSON, "
        f"pictures in base64; {_count(plan.rounds, 'round')} of {plan.seconds} s of "
        "digits for each server and load, one of the others",
    }


def _changes(settings: Settings) -> str:
    """What the environment sets; the folder of artifacts makes no difference."""
    names = sorted(settings.model_fields_set - {"artifacts"})
    given = ", ".join(f"{name}={getattr(settings, name)}" for name in names)
    return given or "default settings"


def _count(number: int, what: str) -> str:
    ending = "" if number == 1 else "es" if what.endswith("s") else "s"
    return f"{number} {what}{ending}"


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


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _wrk_version() -> str:
    words = _output("wrk", "-v").split()
    return words[1] if len(words) > 1 else "unknown"


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
