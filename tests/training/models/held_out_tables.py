"""Held-out figures as the pages in docs/models/ and the README show them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]

METHODS = {
    "servery": "**this model**",
    "tuned_logistic_regression": "tuned",
    "network": "networks",
}
_OF_GROUPS = ("share_of_ones", "mean_probability", "missed", "false_alarms")
_PLACES = {
    "auc": 4,
    "log_loss": 3,
    "brier_score": 4,
    "expected_calibration_error": 3,
}


def list_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """A line for each method, and one for how far the networks are from this model."""
    for method, title in METHODS.items():
        yield _make_line(title, found["methods"][method])
    yield _make_line("networks - this model", found["differences"]["network"])


def list_groups(groups: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A line for each group: rows, share of ones, what was said of it, mistakes."""
    for name, group in groups.items():
        shares = (
            "–" if group[figure] is None else f"{100 * group[figure]:.0f}"
            for figure in (
                "share_of_ones",
                "mean_probability",
                "missed",
                "false_alarms",
            )
        )
        yield f"| {name} | {group['rows']} | {' | '.join(shares)} |"


def read_page(model: str) -> str:
    """The model's page."""
    return (ROOT / "docs" / "models" / f"{model}.md").read_text()


def read_readme(model: str) -> str:
    """The model's line in the table of the README."""
    lines = (ROOT / "README.md").read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(f"| [`{model}`]"))
    return line


def _make_line(title: str, figures: Mapping[str, Mapping[str, float]]) -> str:
    accuracy = figures["accuracy"]
    cells = [
        f"{100 * accuracy['mean']:.1f} ± {100 * accuracy['standard_error']:.1f} %",
        *(
            f"{figures[name]['mean']:.{n}f} ± {figures[name]['standard_error']:.{n}f}"
            for name, n in _PLACES.items()
        ),
    ]
    return f"| {title} | {' | '.join(cells)} |"
