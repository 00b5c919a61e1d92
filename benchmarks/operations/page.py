"""docs/operations-measured.md, made of what each drill found."""

from collections.abc import Mapping

from benchmarks.operations.figures import Data, show
from benchmarks.operations.limits import show_overloads
from benchmarks.operations.overload import DEADLINE_S
from benchmarks.tables import figure, fill, table
from loadtest.summary import milliseconds

PICTURE = "operations-measured.png"
LINK = f"![Goodput, latency and memory over time]({PICTURE})\n\n"
RUNS = ("Drill", "Date", "Commit", "Took, s", "Others took")


def render(
    drills: Mapping[str, Data], names: Mapping[str, str], facts: Mapping[str, str]
) -> str:
    """The whole page.

    Args:
        drills: What was found, by the names of drills; some may be missing.
        names: Of all drills, by their titles' words.
        facts: Of the machine, in words.
    """
    parts = {name: _show(name, drills.get(name)) for name in names}
    limit = drills.get("limit")
    runs = [
        [
            *(names[name], data["date"], data["commit"], figure(data["seconds"])),
            f"{data['others']:.0%}",
        ]
        for name, data in drills.items()
        if name in names
    ]
    return fill(
        "operations-measured.md",
        **parts,
        facts=table(("", ""), facts.items()),
        runs=table(RUNS, runs),
        overload=show_overloads(limit) if limit else "",
        picture=LINK if limit else "",
        deadline_ms=milliseconds(DEADLINE_S),
    )


def _show(name: str, data: Data | None) -> str:
    if data is None:
        return f"Not measured yet: `python -m benchmarks.operations --only {name}`.\n"
    return show(data)
