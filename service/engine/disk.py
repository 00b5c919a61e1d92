"""Which versions lie on disk, and which of them should be in memory."""

from pathlib import Path

from service.contract.manifest import FILENAME


def find_versions(artifacts: Path) -> dict[str, list[int]]:
    """Versions by model, rising: every `<model>/<integer>/` that has a manifest.

    A folder that is still being written has none yet, or a name that is no number.
    """
    found: dict[str, list[int]] = {}
    for manifest in artifacts.glob(f"*/*/{FILENAME}"):
        version = manifest.parent
        if version.name.isdecimal() and int(version.name) > 0:
            found.setdefault(version.parent.name, []).append(int(version.name))
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def newest(versions: list[int], kept: int) -> list[int]:
    """The last `kept` of `versions`, rising."""
    return sorted(versions)[-kept:]
