"""Versions that are committed: made by commits of this repository, never changed."""

import subprocess
from pathlib import Path

import pytest

from service.contract.integrity import verify_files
from service.contract.manifest import read_manifest

ROOT = Path(__file__).parents[1]
MOST_BYTES = 20_000_000  # of a version

# Published before these tests were; each is replaced by the version named.
FROM_ELSEWHERE = {  # their commits are not in this history, or were edited
    "clothing_gan/1": "clothing_gan/2",
    "digits/1": "digits/2",
    "mammogram/1": "mammogram/2",
    "party/1": "party/2",
    "sentiment/1": "sentiment/2",
}
EDITED = {"clothing_vae/1": "clothing_vae/2"}  # in place, after it was published
REDONE = {"spoken/1"}  # trained anew before it was published


def git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def committed() -> list[str]:
    """Every version that git knows: `digits/1`."""
    try:
        is_shallow = git("rev-parse", "--is-shallow-repository").strip() == "true"
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout: there is no history to look into")
    if is_shallow:
        pytest.skip("the clone is shallow: git fetch --unshallow brings the history")
    listed = git("ls-files", "artifacts/*/*/manifest.json").split()
    return ["/".join(Path(path).parts[1:3]) for path in listed]


def test_every_version_was_made_by_a_commit_of_this_history(
    committed: list[str],
) -> None:
    history = set(git("rev-list", "HEAD").split())
    made_by = {
        version: training.git_commit
        for version in committed
        if (training := read_manifest(ROOT / "artifacts" / version).training)
    }

    strange = {name for name, commit in made_by.items() if commit not in history}

    assert strange == FROM_ELSEWHERE.keys() & made_by.keys()
    assert strange.isdisjoint(FROM_ELSEWHERE.values())


def test_every_version_has_the_files_of_its_manifest_and_room_in_a_repository(
    committed: list[str],
) -> None:
    for version in committed:
        folder = ROOT / "artifacts" / version
        verify_files(folder, read_manifest(folder))
        size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
        assert size < MOST_BYTES, version


def test_no_version_was_changed_after_it_was_committed(committed: list[str]) -> None:
    changes = git("log", "--diff-filter=MRD", "--name-only", "--format=", "artifacts")
    changed = {"/".join(path.split("/")[1:3]) for path in changes.split()}

    known = EDITED.keys() | REDONE
    assert changed & set(committed) == known & set(committed)
