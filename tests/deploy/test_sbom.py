"""The bill of materials is valid, and names all that the images are built of."""

import re
import subprocess
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pydantic_core import from_json

from tests.deploy.prometheus_server import find
from tests.deploy.test_dockerfile import LOCKS, ROOT

pytestmark = pytest.mark.slow

PIN = re.compile(r"^([\w.-]+)==([^ \\]+)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `make sbom` has put its files; the environment stays as it is."""
    made: Path = tmp_path_factory.mktemp("sbom")
    old = "--old-file=.venv/dev.stamp"
    command = [find("make", "make"), "--silent", old, "sbom", f"SBOM={made}"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return made


def file_of(folder: Path, lock: str) -> Path:
    device = lock.removeprefix("requirements-").removesuffix(".lock")
    return folder / f"servery-{device}.cdx.json"


def hashes(component: Component) -> set[str]:
    return {
        each.content
        for reference in component.external_references
        for each in reference.hashes
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_it_is_valid_by_the_standard_s_own_schema(folder: Path, lock: str) -> None:
    text = file_of(folder, lock).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


@pytest.mark.parametrize("lock", LOCKS)
def test_it_lists_what_is_locked_with_every_hash(folder: Path, lock: str) -> None:
    locked = (ROOT / lock).read_text()
    bom = Bom.from_json(from_json(file_of(folder, lock).read_bytes()))  # type: ignore[attr-defined]
    components: list[Component] = list(bom.components)
    named = sorted((each.name, each.version) for each in components)
    assert named == sorted(PIN.findall(locked))
    assert all(each.purl and hashes(each) for each in components)
    assert set().union(*map(hashes, components)) == set(HASH.findall(locked))


def test_it_says_whose_it_is_and_of_when(folder: Path) -> None:
    said = from_json(file_of(folder, LOCKS[0]).read_bytes())["metadata"]
    assert said["component"]["name"] == "servery"
    assert said["timestamp"]
