"""Kustomize itself, by its own name or as kubectl carries it, asked to render."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

Resource = dict[str, Any]

KUBERNETES = Path(__file__).parents[2] / "deploy/kubernetes"
COMPONENTS = sorted(each.name for each in (KUBERNETES / "components").iterdir())
OVERLAYS = sorted(each.name for each in (KUBERNETES / "overlays").iterdir())

# What somebody may apply, by a name for tests: a folder, and components on top of it.
WHOLES: dict[str, tuple[str, ...]] = {
    "base": ("base",),
    **{name: (f"overlays/{name}",) for name in OVERLAYS},
    **{f"base and {name}": ("base", name) for name in COMPONENTS},
    "pvc and everything": ("overlays/pvc", *COMPONENTS),
}
each_whole = pytest.mark.parametrize("whole", WHOLES)


@cache
def command() -> tuple[str, ...] | None:
    """What renders a folder that is named behind it; None where nothing does."""
    if path := shutil.which("kustomize"):
        return (path, "build")
    if path := shutil.which("kubectl"):
        return (path, "kustomize")
    return None


@cache
def render(whole: str) -> dict[str, Resource]:
    """The resources of one of WHOLES by kind, of which each but rules is there once."""
    folder, *components = WHOLES[whole]
    with TemporaryDirectory() as name:
        place = Path(name).resolve()
        (place / "kustomization.yaml").write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "kustomize.config.k8s.io/v1beta1",
                    "kind": "Kustomization",
                    "resources": [relative(folder, place)],
                    "components": [
                        relative(f"components/{each}", place) for each in components
                    ],
                }
            )
        )
        resources = list(yaml.safe_load_all(build(place)))
    by_kind = {each["kind"]: each for each in resources}
    rules = sum(each["kind"] == "PrometheusRule" for each in resources)
    assert len(by_kind) == len(resources) - max(0, rules - 1)
    return by_kind


def relative(path: str, place: Path) -> str:
    """The path of ours, seen from the folder: kustomize takes no absolute ones."""
    return os.path.relpath(KUBERNETES / path, place)


def build(folder: Path) -> str:
    """What kustomize makes of a folder; where there is none, the test is skipped."""
    found = command()
    if found is None:
        pytest.skip("neither kustomize nor kubectl, which carries it, is installed")
    done = subprocess.run([*found, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    return done.stdout


def pod(resources: dict[str, Resource]) -> Resource:
    """What the deployment's pods are."""
    spec: Resource = resources["Deployment"]["spec"]["template"]["spec"]
    return spec


def container(resources: dict[str, Resource]) -> Resource:
    """The one container of the deployment's pods that stays."""
    (only,) = pod(resources)["containers"]
    found: Resource = only
    return found
