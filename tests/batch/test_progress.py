import io

from service.batch.progress import Progress


def test_progress_is_said_now_and_then_in_lines_where_no_terminal_is() -> None:
    now, said = [0.0], io.StringIO()
    progress = Progress(1000, 200, 3, said, clock=lambda: now[0])
    now[0] = 5.0
    progress.add(100, 0)
    assert said.getvalue() == ""
    now[0] = 15.0
    progress.add(100, 1)
    progress.close()
    assert said.getvalue() == (
        "400 of 1,000 rows (40 %), 10 rows/s, 60 s left, 4 in error\n"
    )


def test_no_rows_are_all_of_them() -> None:
    assert Progress(0, 0, 0, io.StringIO()).describe() == "0 of 0 rows (100 %)"
