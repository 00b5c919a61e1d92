"""Whole runs, by this machine's engine: every row once, whatever comes between."""

import csv
import io
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from service.engine.disk import find_versions
from tests.batch.running import houses, journal, price, read, score, start
from tests.tasks import declared


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    declared.write_house(folder)
    declared.write_light(folder)
    declared.write_shout(folder)
    return folder


def write(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def test_every_row_is_scored_in_its_order_and_bad_ones_say_why(
    tmp_path: Path, artifacts: Path
) -> None:
    table = write(tmp_path / "houses.parquet", houses(1000, rows=(3, 700)))
    out = tmp_path / "out"
    result = score("house", table, out, "--rows", 300, artifacts=artifacts)
    assert result.exit_code == 3, result.output
    rows = read(out)
    assert [row["id"] for row in rows] == [*range(1000)]
    assert [row["id"] for row in rows if row["error"]] == [3, 700]
    bad = rows[3]
    assert bad["value"] is None
    assert (
        bad["error"] == "area: expected a number of m² from 1 to 500, received '-1.0'"
    )
    for row in rows:
        if not row["error"]:
            assert row["value"] == pytest.approx(price(row))
            assert row["unit"] == "EUR"
    assert journal(out)["complete"] == {"rows": 1000, "errors": 2}
    assert "1,000 of 1,000 rows (100 %)" in result.stderr


def test_a_csv_becomes_a_csv_with_the_answers_beside_its_cells(
    tmp_path: Path, artifacts: Path
) -> None:
    (tmp_path / "h.csv").write_text(
        'value,area,rooms,heating,garden\n"a, b",10,2,,yes\nc,20,x,wood,no\nd\n'
    )
    out = tmp_path / "out.csv"
    result = score("house", tmp_path / "h.csv", out, artifacts=artifacts)
    assert result.exit_code == 3, result.output
    first, second, third = csv.DictReader(io.StringIO(out.read_text()))
    assert (first["value"], first["heating"]) == ("a, b", "")
    assert float(first["predicted_value"]) == 10_008
    assert (second["area"], second["predicted_value"]) == ("20", "")
    assert (
        second["error"] == "rooms: expected a whole number of at least 1, received 'x'"
    )
    assert (third["area"], third["error"]) == ("", "expected 5 cells, received 1")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["h.csv", "out.csv"]
    again = score("house", tmp_path / "h.csv", out, artifacts=artifacts)
    assert again.exit_code == 1
    assert "expected no such file yet" in again.output


@pytest.mark.slow
def test_a_killed_run_goes_on_with_nothing_lost_and_nothing_twice(
    tmp_path: Path, artifacts: Path
) -> None:
    table = write(tmp_path / "houses.parquet", houses(20_000, rows=(5, 15_000)))
    out = tmp_path / "out"
    words = ("house", table, out, "--rows", 100)
    for killed in (1, 2):
        run = start(*words, artifacts=artifacts)
        while len([*out.glob("part-*")]) < 3 * killed:
            assert run.poll() is None, run.stderr and run.stderr.read()
            time.sleep(0.01)
        run.kill()
        run.wait()
        assert run.stderr is not None
        run.stderr.close()
    (out / ".part-000199.parquet.1").write_text("half of it")
    done = {each.name: each.stat().st_mtime_ns for each in out.glob("part-*")}
    assert 6 <= len(done) < 200
    result = score(*words, artifacts=artifacts)
    assert result.exit_code == 3, result.output
    assert "going on, " in result.stderr
    rows = read(out)
    assert [row["id"] for row in rows] == [*range(20_000)]
    assert [row["id"] for row in rows if row["error"]] == [5, 15_000]
    assert all(
        row["error"] or row["value"] == pytest.approx(price(row)) for row in rows
    )
    kept = {each.name: each.stat().st_mtime_ns for each in out.glob("part-*")}
    assert {name: kept[name] for name in done} == done  # none was computed again
    assert [*out.glob(".part-*")] == []


def test_what_is_complete_stays_as_it_is(tmp_path: Path, artifacts: Path) -> None:
    table, out = write(tmp_path / "t.parquet", houses(20)), tmp_path / "out"
    assert score("house", table, out, artifacts=artifacts).exit_code == 0
    before = {each: each.stat().st_mtime_ns for each in out.glob("part-*")}
    result = score("house", table, out, artifacts=artifacts)
    assert result.exit_code == 0, result.output
    assert before == {each: each.stat().st_mtime_ns for each in out.glob("part-*")}


def test_an_input_that_has_changed_is_another_run(
    tmp_path: Path, artifacts: Path
) -> None:
    table, out = write(tmp_path / "t.parquet", houses(20)), tmp_path / "out"
    assert score("house", table, out, artifacts=artifacts).exit_code == 0
    write(table, houses(21))
    result = score("house", table, out, artifacts=artifacts)
    assert result.exit_code == 1
    assert "begun with another input" in result.output
    assert len(read(out)) == 20


def test_a_run_keeps_its_version_whatever_is_published_meanwhile(
    tmp_path: Path, artifacts: Path
) -> None:
    models, table = tmp_path / "models", write(tmp_path / "t.parquet", houses(40))
    out, words = tmp_path / "out", ("house", tmp_path / "t.parquet", tmp_path / "out")
    shutil.copytree(artifacts / "house", models / "house")
    assert score(*words, "--rows", 20, artifacts=models).exit_code == 0
    next(out.glob("part-*1.parquet")).unlink()  # as if it had been interrupted
    declared.write_house(models, version=2)
    assert find_versions(models) == {"house": [1, 2]}
    assert score(*words, artifacts=models).exit_code == 0
    assert (journal(out)["version"], len(read(out))) == (1, 40)
    result = score(*words, "--version", 2, artifacts=models)
    assert result.exit_code == 1
    assert "begun with another version: expected 1, received 2" in result.output
    shutil.rmtree(models / "house" / "1")
    result = score(*words, artifacts=models)
    assert "house has no version 1; there are: 2" in result.output
    shutil.copytree(models / "house" / "2", models / "house" / "1")
    declared.declare(models, "house", declared.HOUSE | {"unit": "CHF"}, version=1)
    result = score(*words, artifacts=models)
    assert "begun with another files of the version" in result.output
    assert table.exists()


def test_pictures_that_cannot_be_read_spoil_no_others(
    tmp_path: Path, artifacts: Path
) -> None:
    pictures = tmp_path / "pictures" / "more"
    pictures.mkdir(parents=True)
    for number in range(70):
        colour = [(250, 0, 0), (0, 250, 0), (0, 0, 250)][number % 3]
        Image.new("RGB", (12, 16), colour).save(pictures / f"{number:02}.png")
    (pictures / "33.png").write_bytes(b"no picture")
    (pictures / "66.png").write_bytes((pictures / "66.png").read_bytes()[:30])
    (pictures / "readme.md").write_text("not scored")
    out = tmp_path / "out"
    result = score("light", pictures.parent, out, artifacts=artifacts)
    assert result.exit_code == 3, result.output
    rows = read(out)
    assert [row["file"] for row in rows] == [f"more/{n:02}.png" for n in range(70)]
    labels = [row["label"] for row in rows]
    expected = ["red", "green", "blue"] * 24
    bad = [n for n, row in enumerate(rows) if row["error"]]
    assert bad == [33, 66]
    assert all(labels[n] == expected[n] for n in range(70) if n not in bad)
    assert len(rows[0]["classes"]) == 2


def test_a_text_of_a_megabyte_is_an_error_and_no_end(
    tmp_path: Path, artifacts: Path
) -> None:
    texts = ["calm", "x" * 1_000_000, "loud!", "", None]
    table = write(tmp_path / "t.parquet", pa.table({"text": texts}))
    out = tmp_path / "out"
    result = score("shout", table, out, artifacts=artifacts)
    assert result.exit_code == 3, result.output
    rows = read(out)
    assert [row["label"] for row in rows] == ["calm", None, "loud", None, None]
    errors = [row["error"] for row in rows]
    assert errors[0] is None
    assert errors[1] == "expected at most 40 characters, received 1,000,000"
    assert "expected words" in errors[3]
    assert errors[4] == "text: expected a text, received null"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_without_rows_gives_one_without_rows(
    tmp_path: Path, artifacts: Path, kind: str
) -> None:
    table = tmp_path / f"t.{kind}"
    if kind == "csv":
        table.write_text("area,rooms,garden\n")
    else:
        write(table, houses(0))
    out = tmp_path / "out"
    result = score("house", table, out, artifacts=artifacts)
    assert result.exit_code == 0, result.output
    assert read(out) == []
    assert "value" in pq.read_table(out).schema.names


def test_a_run_stops_when_too_much_is_wrong(tmp_path: Path, artifacts: Path) -> None:
    table = write(tmp_path / "t.parquet", houses(100, rows=range(50)))
    out = tmp_path / "out"
    words = ("house", table, out, "--rows", 20)
    result = score(*words, "--max-errors", 10, artifacts=artifacts)
    assert result.exit_code == 1
    assert "20 of 20 rows are in error: expected at most 10" in result.output
    result = score(*words, artifacts=artifacts)
    assert result.exit_code == 3
    assert len(read(out)) == 100


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nobody", "{in}", "{out}"), "No model is named 'nobody'; there are: house"),
        (("house", "nowhere", "{out}"), "nowhere: expected a file or a folder"),
        (("light", "{in}", "{out}"), "received none"),
        (("house", "{in}", "{in}"), "expected a folder or none, received a file"),
        (("house", "{folder}", "{out}"), "expected an output outside of the input"),
        (("house", "{in}", "{out}", "--version", 7), "house has no version 7"),
    ],
    ids=["model", "input", "pictures", "output", "inside", "version"],
)
def test_what_cannot_be_done_is_said_before_anything_is_loaded(
    tmp_path: Path, artifacts: Path, words: tuple[object, ...], expected: str
) -> None:
    table = write(tmp_path / "t.parquet", houses(1))
    names = {"{in}": table, "{out}": tmp_path / "out", "{folder}": tmp_path}
    chosen = [names.get(str(each), each) for each in words]
    result = score(*chosen, artifacts=artifacts)
    assert result.exit_code == 1
    assert expected in result.output
    assert not (tmp_path / "out").exists()


def test_a_version_that_cannot_be_loaded_says_why(
    tmp_path: Path, artifacts: Path
) -> None:
    models, table = tmp_path / "models", write(tmp_path / "t.parquet", houses(3))
    shutil.copytree(artifacts / "house", models / "house")
    (models / "house" / "1" / "variables" / "variables.index").write_bytes(b"broken")
    result = score("house", table, tmp_path / "out", artifacts=models)
    assert result.exit_code == 1
    assert "house 1 cannot be loaded: " in result.output
    assert "SHA-256" in result.output
