"""What is recorded lies in bounded files of ours, whatever lies there already."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.drift.files import Bounds, ModelFiles

BOUNDS = Bounds(bytes=1000, rows=50)


def files(folder: Path, process: str = "http-0", bounds: Bounds = BOUNDS) -> ModelFiles:
    return ModelFiles(folder, process, bounds, processes=2)


def lines(number: int, size: int = 10, first: int = 0) -> list[bytes]:
    return [b"%0*d\n" % (size - 1, each) for each in range(first, first + number)]


def sizes(folder: Path) -> dict[str, int]:
    return {each.name: each.stat().st_size for each in folder.iterdir()}


def test_files_and_folders_are_this_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files(tmp_path / "deep" / "er").append("pets", lines(3))
    finally:
        os.umask(before)
    file = tmp_path / "deep" / "er" / "pets" / "http-0.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.parent.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "pets").mkdir()
    file = tmp_path / "pets" / "http-0.jsonl"
    file.touch(0o644)
    files(tmp_path).append("pets", lines(1))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_full_file_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    written = files(tmp_path)
    for first in range(0, 130, 10):
        written.append("pets", lines(10, first=first))
    home = tmp_path / "pets"
    assert sizes(home) == {"http-0.jsonl": 300, "http-0.jsonl.old": 500}
    kept = (home / "http-0.jsonl.old").read_bytes().split()
    assert kept[0] == b"000000050"


def test_many_rows_at_once_stay_within_both_bounds(tmp_path: Path) -> None:
    files(tmp_path).append("pets", lines(1000, size=100))
    assert max(sizes(tmp_path / "pets").values()) == 1000


def test_the_bound_holds_whatever_is_written(tmp_path: Path) -> None:
    written = files(tmp_path)
    for turn in range(300):
        written.append("pets", lines(turn % 7, size=10 + turn * 13 % 400))
        assert sum(sizes(tmp_path / "pets").values()) <= 2 * BOUNDS.bytes
        for file in (tmp_path / "pets").iterdir():
            assert file.read_bytes().count(b"\n") <= BOUNDS.rows


def test_all_processes_together_stay_within_the_models_bound(tmp_path: Path) -> None:
    bounds = Bounds.of(most_bytes=4000, most_rows=4000, processes=2)
    for process in ("http-0", "http-1"):
        files(tmp_path, process, bounds).append("pets", lines(1000))
    assert sum(sizes(tmp_path / "pets").values()) <= 4000


def test_a_row_that_fits_into_no_file_is_told(tmp_path: Path) -> None:
    found = files(tmp_path).append("pets", [b"x" * 2000 + b"\n", b"small\n"])
    assert found == 1
    assert (tmp_path / "pets" / "http-0.jsonl").read_bytes() == b"small\n"


def test_a_successor_writes_on_behind_a_whole_line(tmp_path: Path) -> None:
    files(tmp_path).append("pets", lines(3))
    file = tmp_path / "pets" / "http-0.jsonl"
    with file.open("ab") as torn:
        torn.write(b'{"killed": "with')
    files(tmp_path).append("pets", lines(1, first=3))
    assert file.read_bytes() == b"".join(lines(4))


def test_what_other_settings_left_goes(tmp_path: Path) -> None:
    files(tmp_path, bounds=Bounds(bytes=9000, rows=900)).append("pets", lines(700))
    files(tmp_path, bounds=Bounds(bytes=9000, rows=900)).append("pets", lines(700))
    home = tmp_path / "pets"
    (home / "http-7.jsonl").write_bytes(b"of a process that is no more")
    (home / "notes.txt").write_bytes(b"not ours")
    files(tmp_path).append("pets", lines(5))
    assert sizes(home) == {"http-0.jsonl": 50, "notes.txt": 8}


def test_a_file_that_is_taken_away_is_begun_anew(tmp_path: Path) -> None:
    written = files(tmp_path)
    written.append("pets", lines(3))
    (tmp_path / "pets" / "http-0.jsonl").unlink()
    written.append("pets", lines(2))
    (tmp_path / "pets" / "http-0.jsonl").unlink()
    (tmp_path / "pets").rmdir()
    written.append("pets", lines(1))
    assert sizes(tmp_path / "pets") == {"http-0.jsonl": 10}


def link_the_file(home: Path, victim: Path) -> None:
    home.mkdir()
    (home / "http-0.jsonl").symlink_to(victim)


def link_the_file_to_nothing(home: Path, victim: Path) -> None:
    home.mkdir()
    (home / "http-0.jsonl").symlink_to(victim.with_name("not there"))


def link_the_folder(home: Path, victim: Path) -> None:
    home.symlink_to(victim.parent)


def link_it_hard(home: Path, victim: Path) -> None:
    home.mkdir()
    (home / "http-0.jsonl").hardlink_to(victim)


def put_a_fifo(home: Path, victim: Path) -> None:
    home.mkdir()
    os.mkfifo(home / "http-0.jsonl")


def put_a_folder(home: Path, victim: Path) -> None:
    (home / "http-0.jsonl").mkdir(parents=True)


def put_a_file(home: Path, victim: Path) -> None:
    home.write_text("no folder")


@pytest.mark.parametrize(
    "trap",
    [
        link_the_file,
        link_the_file_to_nothing,
        link_the_folder,
        link_it_hard,
        put_a_fifo,
        put_a_folder,
        put_a_file,
    ],
)
def test_nothing_is_written_elsewhere(
    trap: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    victim = tmp_path / "elsewhere" / "victim"
    victim.parent.mkdir()
    victim.write_text("untouched")
    base = tmp_path / "drift"
    base.mkdir()
    trap(base / "pets", victim)
    with pytest.raises(OSError):
        files(base).append("pets", lines(3))
    assert sizes(victim.parent) == {"victim": len("untouched")}


def test_a_link_in_the_place_of_the_old_file_is_replaced(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "http-0.jsonl.old").symlink_to(victim)
    files(tmp_path).append("pets", lines(60))
    assert victim.read_text() == "untouched"
    assert not (tmp_path / "pets" / "http-0.jsonl.old").is_symlink()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "x" * 300], ids=str)
def test_a_name_that_is_no_folders_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        files(tmp_path).append(name, lines(1))


def test_processes_that_share_a_file_keep_its_lines_and_its_bound(
    tmp_path: Path,
) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from service.drift.files import Bounds, ModelFiles\n"
        "files = ModelFiles(Path(sys.argv[1]), 'http-0', Bounds(20_000, 5_000), 1)\n"
        "for turn in range(200):\n"
        "    files.append('pets', [sys.argv[2].encode() * 49 + b'\\n'] * 10)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen([*command, letter]) for letter in "abc"]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    home = tmp_path / "pets"
    assert max(sizes(home).values()) <= 20_000
    content = b"".join(each.read_bytes() for each in home.iterdir())
    assert {len(line) for line in content.splitlines()} == {49}
    assert all(len(set(line)) == 1 for line in content.splitlines())


FULL = """
import os, sys
from pathlib import Path
from service.drift.files import Bounds, ModelFiles
home = Path(sys.argv[1])
files = ModelFiles(home / "drift", "http-0", Bounds(10**6, 10**6), 1)
line = b"x" * 99 + b"\\n"
failed = 0
for turn in range(100):
    try:
        files.append("pets", [line] * 50)
    except OSError:
        failed += 1
content = (home / "drift" / "pets" / "http-0.jsonl").read_bytes()
assert failed > 50, failed
assert content and len(content) % 100 == 0, len(content)
(home / "filler").unlink()
files.append("pets", [line])
assert (home / "drift" / "pets" / "http-0.jsonl").read_bytes() == content + line
"""


def test_a_full_disk_leaves_whole_lines_and_is_used_again_when_it_is_not(
    tmp_path: Path,
) -> None:
    mount = 'mount -t tmpfs -o size=256k none "$0"'
    mount += ' && head -c 100k /dev/zero > "$0/filler"'
    shell = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    tried = subprocess.run([*shell, mount, tmp_path], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.decode()}")
    run = f'{mount} && exec "$1" -c "$2" "$0"'
    done = subprocess.run(
        [*shell, run, tmp_path, sys.executable, FULL],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
