"""Counts texts, a few dozen symbols at a time."""

from collections import Counter

from service.metrics import DelayedCall, Metrics


class TextCounts:
    """Counts what is written by one version of a model.

    Args:
        metrics: Where.
        model: Its name.
    """

    def __init__(self, metrics: Metrics, model: str):
        self._metrics, self._model = metrics, model
        self._under_way = metrics.texts_under_way.labels(model)
        self._characters = metrics.text_characters.labels(model)
        self._first = metrics.text_first_seconds.labels(model)
        self._changed = self._written = 0
        self._firsts: list[float] = []
        self._ended: Counter[str] = Counter()
        self._flush = DelayedCall(self.flush)

    def began(self, texts: int) -> None:
        """So many more are being written."""
        self._changed += texts
        self._flush.plan()

    def wrote(self, symbols: int) -> None:
        """So many symbols more."""
        self._written += symbols
        self._flush.plan()

    def first(self, seconds: float) -> None:
        """The first symbol of a request came after so long."""
        self._firsts.append(seconds)

    def ended(self, outcome: str, texts: int = 1) -> None:
        """So many have ended in this way."""
        self._changed -= texts
        self._ended[outcome] += texts
        self._flush.plan()

    def flush(self) -> None:
        """Count what has happened, now."""
        self._under_way.inc(self._changed)
        self._characters.inc(self._written)
        self._first.observe_all(self._firsts)
        for outcome, number in self._ended.items():
            self._metrics.texts.labels(self._model, outcome).inc(number)
        self._changed = self._written = 0
        self._firsts.clear()
        self._ended.clear()
