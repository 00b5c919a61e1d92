"""A SavedModel's own files, copied: nothing beside them, nothing behind a link."""

import shutil
from pathlib import Path

from servery.versions import ExportRefused

FILES = ("saved_model.pb", "fingerprint.pb")
FOLDERS = ("variables", "assets", "assets.extra", "report")


def copy_saved_model(source: Path, target: Path) -> None:
    """Copy what belongs to a SavedModel; hidden files and all others stay behind.

    Args:
        source: The SavedModel's folder.
        target: A folder that exists.

    Raises:
        ExportRefused: A link is among them: what it points to is not the model's.
    """
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        top = inside.parts[0]
        if top not in FOLDERS and inside.as_posix() not in FILES:
            continue
        if any(part.startswith(".") for part in inside.parts):
            continue
        if path.is_symlink():
            raise ExportRefused(f"{inside}: expected a file of the model's own, found "
                                "a link")  # fmt: skip
        if path.is_dir():
            (target / inside).mkdir(exist_ok=True)
        elif path.is_file():
            shutil.copyfile(path, target / inside)
