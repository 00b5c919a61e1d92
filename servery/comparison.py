"""Whether a version answers as the model that it was made from.

Rows go to both, 1, 2, 3 and all that are given; answers may differ by `TOLERANCE`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt
import tensorflow as tf

from servery import samples as rows_of
from servery.declaration import read_expected
from servery.saved_model import Call, answer, compare
from servery.versions import ExportRefused
from service.contract.golden import TOLERANCE, Samples, difference
from service.contract.samples import Rows, draw
from service.contract.saved_model import SavedModel
from service.contract.signature import Signature

Array = npt.NDArray[Any]


class Comparison:
    """The answers of a model and of what was written, signature by signature.

    Args:
        saved: What was written.
        reloaded: Its signatures, loaded.

    Attributes:
        rows: Signature → the rows that it was compared by.
        largest: The largest difference so far.
        varying: Signatures that answer differently each time.
        golden: What was written answers to those rows, but for such signatures and
            those that keep state.
    """

    def __init__(self, saved: SavedModel, reloaded: Mapping[str, Call]):
        self.rows: dict[str, Rows] = {}
        self.largest = 0.0
        self.varying: list[str] = []
        self.golden: dict[str, Samples] = {}
        self._saved = saved
        self._reloaded = reloaded

    def check(self, name: str, live: Call, samples: Any | None) -> None:
        """Compare one signature, for each number of rows.

        Raises:
            ExportRefused: It answers otherwise, or there are no rows that it takes.
        """
        if name not in self._saved.signatures:
            return  # TensorFlow's own, which nobody calls
        signature, written = self._saved.signatures[name], self._reloaded[name]
        rows = self._choose_rows(name, live, samples)
        self.rows[name] = rows
        for count in rows_of.counts(signature, rows):
            part = rows_of.first_rows(signature, rows, count)
            try:
                found = _differ(live, written, part)
            except ExportRefused as error:
                if name in self._saved.stateful or not _varies(live, written, part):
                    raise ExportRefused(f"{name}.{error}") from error
                self.varying.append(name)
                return
            self.largest = max(self.largest, found)
        if name not in self._saved.stateful:
            self.golden[name] = answer(written, signature, rows)

    def add_expected(self, expected: Any | None, labels: Sequence[str]) -> None:
        """Keep the right answers beside the answers that were given.

        Raises:
            ExportRefused: Another number of them than of samples.
        """
        if expected is None:
            return
        if len(self.golden) != 1:
            raise ExportRefused(
                "expected: expected a model with one signature, which answers the same "
                f"rows the same; received {len(self._saved.signatures)}"
            )
        ((name, _),) = self.golden.items()
        rows = min(len(each) for each in self.rows[name].values())
        right = read_expected(expected, labels, rows)
        self.golden[name] = answer(
            self._reloaded[name], self._saved.signatures[name], self.rows[name], right
        )

    def _choose_rows(self, name: str, live: Call, samples: Any | None) -> Rows:
        """The rows that are given, or the first drawn ones that the model takes."""
        signature = self._saved.signatures[name]
        if samples is not None and (
            len(self._saved.signatures) == 1 or _are_for(samples, signature)
        ):
            return rows_of.as_samples(samples, signature)
        error: Exception | None = None
        for rows in draw(signature, max(rows_of.COUNTS)):
            inputs = {key: tf.constant(array) for key, array in rows.items()}
            try:
                live(**inputs)
            except (tf.errors.OpError, ValueError, TypeError) as reason:
                error = reason
                continue
            if name in self._saved.stateful:
                self._reloaded[name](**inputs)  # so that both have seen the same
            return rows
        raise ExportRefused(
            f"{name}: none of the rows that were drawn are any it takes, so it cannot "
            "be compared; give real ones (--samples FILE.npz). It said: "
            f"{str(error).splitlines()[0]}"
        )


def _differ(live: Call, written: Call, rows: Rows) -> float:
    return compare(live, written, rows, TOLERANCE, difference)


def _varies(live: Call, written: Call, rows: Rows) -> bool:
    """Whether a function draws at random: other values each time, of one form.

    Raises:
        ExportRefused: What was written gives another form.
    """
    compare(live, written, rows, 0, _differ_in_form)
    try:
        _differ(live, live, rows)
    except ExportRefused:
        return True
    return False


def _differ_in_form(live: Array, written: Array) -> float:
    same = (live.dtype, live.shape) == (written.dtype, written.shape)
    return 0.0 if same else float("inf")


def _are_for(samples: Any, signature: Signature) -> bool:
    names = {spec.name for spec in signature.inputs}
    return isinstance(samples, Mapping) and set(samples) == names
