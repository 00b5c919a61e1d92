"""How fast a model has been of late, to tell who would only wait to be late."""

NEWEST_WEIGHT = 0.2  # of the last batch in the mean: about ten batches are remembered


class Throughput:
    """Seconds that a version takes for a row in full batches, on average of late."""

    def __init__(self) -> None:
        self._row_s: float | None = None

    def learn(self, rows: int, seconds: float) -> None:
        """Batches of so many `rows`, one of them full, took `seconds` side by side."""
        row_s = seconds / rows
        before = row_s if self._row_s is None else self._row_s
        self._row_s = before + NEWEST_WEIGHT * (row_s - before)

    def seconds(self, rows: int) -> float:
        """How long so many rows will take; 0 where nothing is known yet."""
        return rows * (self._row_s or 0.0)
