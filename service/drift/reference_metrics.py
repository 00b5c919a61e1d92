"""What versions answered in training, as metrics, beside those of what they answer."""

from service.contract.reference import Reference
from service.metrics import Metrics

Key = tuple[str, int]

GONE = float("nan")  # of a series: no series of several processes can be taken away


class ReferenceMetrics:
    """Shows the reference of each version that is known.

    Args:
        metrics: Where.
    """

    def __init__(self, metrics: Metrics):
        self._metrics = metrics
        self._shown: dict[Key, Reference] = {}

    def show(self, key: Key, reference: Reference | None) -> None:
        """This is the reference of a version now; None: it has none, or is gone."""
        before = self._shown.pop(key, None)
        if before == reference:
            if reference is not None:
                self._shown[key] = reference
            return
        metrics, names = self._metrics, (key[0], str(key[1]))
        for group in before.groups if before is not None and before.ratios else ():
            metrics.reference_ratio.labels(*names, group).set(GONE)
        if reference is None:
            metrics.reference_rows.labels(*names).set(GONE)
            metrics.reference_confidence.labels(*names).set(GONE)
            return
        self._shown[key] = reference
        confidence = GONE if reference.confidence is None else reference.confidence
        metrics.reference_rows.labels(*names).set(reference.rows)
        metrics.reference_confidence.labels(*names).set(confidence)
        if reference.ratios:
            for group, ratio in zip(reference.groups, reference.ratios, strict=True):
                metrics.reference_ratio.labels(*names, group).set(ratio)
