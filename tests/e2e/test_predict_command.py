"""`servery predict`, as people type it, against the real service."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.conftest import to_png
from tests.e2e.server import Server, free_port, until

ROOT = Path(__file__).parents[2]
SEVEN = ROOT / "seven.png"

Done = subprocess.CompletedProcess[str]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(shipped: Server) -> Server:
    return shipped


def command(url: str, *words: object) -> list[str]:
    return [sys.executable, "-m", "service.cli", "predict", "--url", url,
            *map(str, words)]  # fmt: skip


def run(server: Server | str, *words: object, stdin: str = "") -> Done:
    url = server if isinstance(server, str) else server.url
    return subprocess.run(
        command(url, *words),
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        check=False,
    )


def heard(words: list[str]) -> list[str]:
    """The same command, which hears Ctrl-C although who runs the tests may not."""
    code = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", code, *words]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_digit_is_drawn_with_its_probabilities(server: Server) -> None:
    done = run(server, "digits", SEVEN)

    assert done.returncode == 0, done.stderr
    first, _, bar, *others = done.stdout.splitlines()
    assert first == f"{SEVEN} is a 7"
    digit, drawn, share, _ = bar.split()
    assert (digit, drawn) == ("7", "█" * 32)
    assert float(share) > 99
    assert len(others) == 4


def test_files_and_folders_are_a_table_and_one_fault_fails_alone(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "notes.md").write_text("left out")
    (tmp_path / ".hidden.png").write_text("left out")
    (tmp_path / "broken.png").write_text("no image")
    shutil.copyfile(SEVEN, tmp_path / "below" / "SEVEN.PNG")

    done = run(server, "digits", tmp_path, SEVEN, tmp_path / "none.png")

    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert [line.split()[0] for line in lines] == [
        str(tmp_path / "below" / "SEVEN.PNG"),
        str(tmp_path / "broken.png"),
        str(SEVEN),
        str(tmp_path / "none.png"),
    ]
    assert ["error: " in line for line in lines] == [False, True, False, True]
    assert "received 8 bytes of text" in lines[1]


def test_hostile_names_of_files_harm_neither_terminal_nor_table(
    server: Server, tmp_path: Path
) -> None:
    names = [b"a\x1b[2J\nb.png", b'c,"d.png', b"=cmd().png", b"\xff.png", b"--help.png"]
    for name in names:
        shutil.copyfile(os.fsencode(SEVEN), os.fsencode(tmp_path) + b"/" + name)

    done = run(server, "digits", tmp_path)
    run(server, "digits", tmp_path, "--output", tmp_path / "o.csv")

    assert len(done.stdout.splitlines()) == len(names)
    assert "\x1b" not in done.stdout
    rows = read_csv(tmp_path / "o.csv")
    assert {Path(row["input"]).name for row in rows} == {
        "a\x1b[2J\nb.png", 'c,"d.png', "=cmd().png", "\\udcff.png", "--help.png"
    }  # fmt: skip
    assert {row["label"] for row in rows} == {"7"}


def test_a_folder_without_images_is_said_plainly(
    server: Server, tmp_path: Path
) -> None:
    done = run(server, "digits", tmp_path)
    assert done.returncode == 1
    assert "expected a folder with files of .png, .jpg" in done.stderr


def test_texts_from_words_a_file_and_a_pipe(server: Server, tmp_path: Path) -> None:
    (tmp_path / "reviews.txt").write_text("\ufeffI loved it.\n\nDull and long.\n")

    words = run(server, "sentiment", "I loved it.", "--format", "jsonl")
    file = run(server, "sentiment", tmp_path / "reviews.txt", "--format", "csv")
    pipe = run(server, "sentiment", "-", stdin="I loved it.\n")

    assert json.loads(words.stdout)["label"] == "positive"
    rows = list(csv.DictReader(file.stdout.splitlines()))
    assert [row["label"] for row in rows] == ["positive", "negative"]
    assert [row["input"].rpartition(":")[2] for row in rows] == ["1", "3"]
    assert "positive" in pipe.stdout
    missing = run(server, "sentiment", "reviewz.txt")
    assert (missing.returncode, "No such file" in missing.stdout) == (1, True)


def test_csv_comes_back_with_the_answer_behind_each_row(
    server: Server, tmp_path: Path
) -> None:
    table = tmp_path / "masses.csv"
    table.write_bytes(
        b"\xef\xbb\xbfage;shape\r\n57;irregular\r\n5;round\r\n20;\r\n3\r\n"
    )

    done = run(server, "mammogram", table, "--output", tmp_path / "out.csv")

    rows = read_csv(tmp_path / "out.csv")
    assert done.returncode == 1
    assert "4 answers in" in done.stderr
    assert "2 of them errors" in done.stderr
    assert [row["age"] for row in rows] == ["57", "5", "20", "3"]
    assert [row["label"] for row in rows] == ["malignant", "", "benign", ""]
    assert 0.5 < float(rows[0]["score"]) <= 1
    assert "expected a whole number of years" in rows[1]["error"]
    assert rows[3]["error"] == "expected 2 cells, received 1"


def test_a_record_in_json_and_all_that_the_model_says(
    server: Server, tmp_path: Path
) -> None:
    run(server, "mammogram", '{"age": 57}', "{", "--output", tmp_path / "o.json")
    first, second = json.loads((tmp_path / "o.json").read_text())
    assert first["prediction"]["notice"]
    assert "expected an object of JSON" in second["error"]


def test_more_classes_are_more_columns(server: Server) -> None:
    done = run(server, "digits", SEVEN, "--format", "csv", "--top-k", 2)
    assert done.stdout.splitlines()[0] == "input,label,score,label_2,score_2,error"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nobody", SEVEN], 1, "No model is named 'nobody'"),
        (["digits", SEVEN, "--version", "9"], 1, "no version 9"),
        (["digits", SEVEN, "--output", "answers"], 2, "ends in .csv, .json or .jsonl"),
        (["digits"], 2, "Missing argument 'INPUTS...'"),
    ],
)
def test_what_cannot_be_done_is_said_with_an_exit_code(
    words: list[object], code: int, message: str, server: Server
) -> None:
    done = run(server, *words)
    assert done.returncode == code
    assert message in done.stderr


def test_nothing_is_written_over_what_is_read(server: Server, tmp_path: Path) -> None:
    table = tmp_path / "masses.csv"
    table.write_text("age\n57\n")

    done = run(server, "mammogram", table, "--output", table)

    assert done.returncode == 2
    assert table.read_text() == "age\n57\n"


def test_nobody_at_the_url(tmp_path: Path) -> None:
    done = run(f"http://127.0.0.1:{free_port()}", "digits", SEVEN)
    assert done.returncode == 1
    assert "to start one: servery serve" in done.stderr


def test_a_thousand_files_at_eight_at_a_time(
    server: Server, sample: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = sample
    for row in range(1000):
        (tmp_path / f"{row:04}.png").write_bytes(to_png(images[row % len(images)]))

    output = tmp_path / "out.csv"
    done = run(server, "digits", tmp_path, "--output", output, "--concurrency", 8)

    rows = read_csv(output)
    assert done.returncode == 0, done.stderr
    assert [Path(row["input"]).stem for row in rows] == [f"{n:04}" for n in range(1000)]
    right = [int(row["label"]) == labels[n % len(labels)] for n, row in enumerate(rows)]
    assert np.mean(right) > 0.9


def test_a_long_file_is_never_whole_in_memory_and_ctrl_c_leaves_what_was_done(
    server: Server, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    with subprocess.Popen(
        heard(command(server.url, "mammogram", "-", "--output", output)),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    ) as work:
        assert work.stdin
        work.stdin.write(b"age,shape\n" + b"20,round\n" * 4000)  # and no end
        work.stdin.flush()
        try:
            until(
                lambda: (
                    work.poll() is not None
                    or (output.exists() and output.read_bytes().count(b"\n") > 1000)
                ),
                240,
                every_s=0.2,  # who starts needs the cores itself
            )
            work.send_signal(signal.SIGINT)
            _, said = work.communicate(timeout=60)
        finally:
            work.kill()

    assert work.returncode == 130
    assert b"the rest was not asked" in said
    rows = read_csv(output)
    assert len(rows) >= 1000
    assert {(row["shape"], row["label"]) for row in rows} == {("round", "benign")}
