"""The house keeps its rules: walls, documents, snapshots."""

import ast
import json
import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from service.cli import cli
from service.engine.ipc.client import EngineClient
from service.errors import ServeryError, by_code
from service.metrics import Metrics
from service.processes.usage import ProcessCollector
from service.settings import Settings
from service.web.app import create_api
from service.web.state import AppState
from tests.imports import imported

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).parent / "openapi.json"
COMMANDS = ("serve", "models", "inspect", "add", "settings", "predict", "batch")


def openapi() -> str:
    state = AppState(
        Settings(), EngineClient(Path("nowhere")), Metrics(CollectorRegistry())
    )
    document = create_api(state)[0].openapi()
    state.close()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def test_the_openapi_document_is_the_one_we_agreed_on() -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(openapi())
    assert openapi() == SNAPSHOT.read_text(), (
        "the HTTP interface has changed; if it was meant to, run "
        "UPDATE_SNAPSHOTS=1 make test and read the difference"
    )


def test_http_processes_never_import_tensorflow() -> None:
    code = (
        "import service.web.process, service.processes.supervisor\n"
        "import service.rpc.server\n"
        "import service.web.api.routes\n"
        "from fastapi import FastAPI; service.web.api.routes.mount(FastAPI())\n"
    )
    # its messages alone are `tensorflow.core…`, without the package itself
    assert imported(code, of={"tensorflow", "keras", "training"}) == []


def test_a_start_waits_for_no_import_that_other_processes_make() -> None:
    code = "import service.cli, service.processes.supervisor, service.rpc.port"
    others = {"numpy", "fastapi", "service.cli_admin", "service.cli_predict"}
    assert imported(code, of=others) == []


def test_tensorflow_is_imported_in_one_place_only() -> None:
    modules = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "service").rglob("*.py")
        if {"tensorflow", "keras"} & set(imports(path))
    }
    assert modules == {
        "service/engine/compute/tensorflow_graph.py",
        "service/engine/compute/tensorflow_runtime.py",
    }


def test_the_service_never_imports_training() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        assert "training" not in set(imports(path)), path


def imports(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module.partition(".")[0])
    return found


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`SERVERY_{name.upper()}`" in text
        assert field.description
        assert field.description in text, name


def test_every_limit_stands_in_the_table_of_limits() -> None:
    rows = Path("docs/limits.md").read_text().splitlines()
    told = " ".join(row.split("|")[2] for row in rows if row.startswith("|"))
    bounds = ("_timeout_", "timeout_ms", "silence", "grace", "keep")
    for name in Settings.model_fields:
        is_limit = name.startswith(("max_", "min_"))
        if is_limit or any(bound in name for bound in bounds):
            assert f"`{name.upper()}`" in told, name


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    families = [*registry.collect(), *ProcessCollector(os.getpid()).collect()]
    text = (ROOT / "docs" / "metrics.md").read_text()
    exported = {
        f"{family.name}_total" if family.type == "counter" else family.name: family
        for family in families
    }
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert [name for name, *_ in rows] == sorted(exported)
    for name, kind, _, meaning in rows:
        assert (kind, meaning) == (exported[name].type, exported[name].documentation)


def test_every_error_is_drawn_and_has_a_code_of_its_own() -> None:
    drawing = sys.modules[ServeryError.__module__].__doc__ or ""
    kinds = [ServeryError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        line = rf"{kind.__name__} +{kind.status}  {kind.code}\n"
        assert re.search(line, drawing), kind
        assert by_code(kind.code) is kind
    assert by_code("of another age") is ServeryError


def test_models_on_disk_are_listed_and_verified() -> None:
    result = CliRunner().invoke(cli, ["models", "--verify"])
    assert result.exit_code == 0, result.output
    assert re.search(r"digits +1 +\S+ +99\.\d\d%", result.output)


def test_a_broken_model_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "digits" / "1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    result = CliRunner().invoke(cli, ["models", "--artifacts", str(tmp_path)])
    assert result.exit_code == 1
    assert "broken" in result.output


def test_a_folder_without_models_is_said_plainly(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["models", "--artifacts", str(tmp_path)])
    assert result.exit_code == 1
    assert "no model in" in result.output


@pytest.mark.parametrize(
    "command",
    [[], *([each] for each in COMMANDS)],
)
def test_help_reads_well(command: list[str]) -> None:
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_settings_are_listed_with_their_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVERY_MAX_QUEUE_ROWS", "77")
    result = CliRunner().invoke(cli, ["settings"])
    assert "SERVERY_MAX_QUEUE_ROWS=77" in result.output


def test_a_setting_out_of_bounds_is_said_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SERVERY_POLL_SECONDS", "-1")
    result = CliRunner().invoke(cli, ["settings"])
    assert result.exit_code == 1
    assert "poll_seconds: Input should be greater than 0" in result.output
    assert "received '-1'" in result.output
