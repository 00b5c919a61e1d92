"""`servery predict`: files in, answers out, by a running service."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from service.cli_admin import URL
from service.cli_trust import trusting

if TYPE_CHECKING:  # httpx and Pillow take a while, which other commands need not wait
    from servery.client.answers import Model
    from servery.files.answering import Course
    from servery.files.output import Output
    from servery.files.rows import Rows

FORMATS = ("table", "csv", "json", "jsonl")
INTERRUPTED = 130  # as shells have it for SIGINT


@click.command()
@click.argument("model")
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "--url", envvar="SERVERY_URL", default=URL, show_default=True,
    help="Where the service is.",
)  # fmt: skip
@click.option(
    "--api-key", envvar="SERVERY_API_KEY",
    help="Sent as a bearer token; better in SERVERY_API_KEY.",
)  # fmt: skip
@trusting
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="A file to write: .csv, .json or .jsonl.",
)  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(FORMATS),
    help="How.  [default: a table, or as the file's name ends]",
)  # fmt: skip
@click.option("--top-k", type=click.IntRange(1), help="How many classes of each.")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), default=8, show_default=True,
    help="Requests under way at once.",
)  # fmt: skip
@click.option("--version", type=click.IntRange(1), help="[default: that which answers]")
def predict(
    model: str,
    inputs: tuple[str, ...],
    url: str,
    api_key: str | None,
    ca: Path | None,
    certificate: Path | None,
    output: Path | None,
    form: str | None,
    **options: Any,
) -> None:
    """Ask what MODEL of a running service says of INPUTS.

    \b
    servery predict digits seven.png         # images, or folders of them
    servery predict sentiment "I loved it"   # texts; files of lines; - = stdin
    servery predict churn customers.csv --output answers.csv
    servery predict mammogram '{"age": 57}'  # a record in JSON

    What one input is wrong about is said in its place, and the others are answered; the
    exit code is 1 then. Ctrl-C leaves what was done, with exit code 130.
    """  # noqa: D301
    from servery.client.client import Client
    from servery.errors import ServeryError
    from servery.files.answering import write_answers
    from servery.files.rows import read_rows

    form = form or _form_of(output)
    with ExitStack() as stack:
        try:
            client = stack.enter_context(
                Client(url, api_key=api_key, ca=ca, certificate=certificate)
            )
            known = client.model(model)
            rows = read_rows(inputs, known)
        except ServeryError as error:
            raise click.ClickException(error.message) from error
        file = stack.enter_context(_open(output, inputs))
        writer = _make_output(form, file, known, options["top_k"], rows)
        bar = None if output or not sys.stdout.isatty() else False
        course = write_answers(client, model, rows, writer, progress=bar, **options)
    raise SystemExit(_tell(course, output))


def _tell(course: "Course", output: Path | None) -> int:
    """Say how it went, where the answers themselves do not; give the exit code."""
    if course.ending is not None:
        click.echo(f"Error: {course.ending.message}", err=True)
    is_cut = course.ending is not None or course.was_interrupted
    if output or is_cut:
        place = f" in {output}" if output else ""
        rest = "; the rest was not asked" if is_cut else ""
        said = f"{course.answered:,} answers{place}, {course.failed:,} of them errors"
        click.echo(said + rest, err=True)
    if course.was_interrupted:
        return INTERRUPTED
    return 1 if is_cut or course.failed else 0


def _form_of(output: Path | None) -> str:
    if output is None:
        return "table"
    form = output.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise click.UsageError(
            "--output: expected a name that ends in .csv, .json or .jsonl, or --format "
            f"too; received {output.name!r}"
        )
    return form


def _open(output: Path | None, inputs: tuple[str, ...]) -> TextIO:
    """Where answers are written; never over what is read."""
    if output is None:
        return _open_text("-")
    if output.exists() and any(
        Path(each).is_file() and output.samefile(each) for each in inputs
    ):
        raise click.UsageError(
            f"--output: expected another file than {output}, an input"
        )
    return _open_text(str(output))


def _open_text(name: str) -> TextIO:
    """For UTF-8; names of files that are none are escaped."""
    file: Any = click.open_file(name, "w", "utf-8", errors="backslashreplace")
    return file  # type: ignore[no-any-return]


def _make_output(
    form: str, file: TextIO, model: "Model", top_k: int | None, rows: "Rows"
) -> "Output":
    from servery.files.output import Csv, Json, Table

    if form == "table":
        return Table(file, model, top_k, rows.total)
    if form == "csv":
        return Csv(file, model, top_k, rows.columns)
    return Json(file, lines=form == "jsonl")
