"""What a clothing generator's figures mean, in plain words."""

from collections.abc import Mapping
from typing import Any


def say_errors(drawing: Mapping[str, Any], floor: Mapping[str, Any]) -> str:
    """Say how often a drawing is wrong, in which category most, and what is rare.

    Args:
        drawing: what `measure_generator` found of drawn images.
        floor: what `measure_floor` found of real ones.
    """
    accuracy, real = drawing["category_accuracy"], floor["category_accuracy"]
    lacking = drawing["diversity"]["features"]["by_category"]
    by_category = accuracy["by_category"]
    worst, best = (f(by_category, key=by_category.get) for f in (min, max))
    plainest = min(lacking, key=lacking.get)
    return (
        f"Of 100 drawings {_count_wrong(accuracy['mean'])} are taken for another "
        "category than was asked for, by a classifier that learnt from other "
        f"photographs and errs on {_count_wrong(real['mean'])} of 100 real ones "
        f"itself. Categories are not served alike: {worst} fares worst, "
        f"{_count_wrong(by_category[worst])} of 100 wrong; {best} best, "
        f"{_count_wrong(by_category[best])}. Of 100 real garments "
        f"{100 * drawing['recall']:.0f} have a drawing as near as drawings are to each "
        f"other (among real ones {100 * floor['recall']:.0f}): unusual ones are rarer "
        f"than in the data. Least varied: {plainest}, {100 * lacking[plainest]:.0f} % "
        "of real."
    )


def _count_wrong(share: float) -> str:
    return f"{100 * (1 - share):.1f}"
