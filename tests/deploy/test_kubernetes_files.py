"""The files for Kubernetes are all used, and what they name is there."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes import prometheus_rules
from tests.deploy.kustomize import KUBERNETES

FOLDERS = sorted(each.parent for each in KUBERNETES.rglob("kustomization.yaml"))
BY_HAND = {"prometheus-adapter.yaml", "publish.yaml"}


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def named(folder: Path, key: str) -> list[Path]:
    """The files and folders that a kustomization names there."""
    return [
        folder / (each["path"] if isinstance(each, dict) else each)
        for each in read(folder / "kustomization.yaml").get(key, [])
        if isinstance(each, str) or "path" in each
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_what_a_kustomization_names_is_there_and_all_that_is_there(
    folder: Path,
) -> None:
    paths = [*named(folder, "resources"), *named(folder, "patches")]
    assert [each for each in paths if not each.exists()] == []
    files = {each.name for each in paths if each.is_file()}
    assert {each.name for each in folder.glob("*.yaml")} == {
        "kustomization.yaml",
        *files,
    }


def test_files_of_no_kustomization_are_those_that_are_used_by_hand() -> None:
    assert {each.name for each in KUBERNETES.glob("*.yaml")} == BY_HAND


def test_prometheus_rules_are_the_same_in_a_cluster() -> None:
    assert prometheus_rules.FILE.read_text() == prometheus_rules.build(), "make rules"
    made = list(yaml.safe_load_all(prometheus_rules.FILE.read_text()))
    sources = sorted(prometheus_rules.RULES.glob("*.yml"))
    assert [each["spec"] for each in made] == [read(each) for each in sources]
