"""The measurement of photos of handwriting, at the real service."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from tests.e2e.server import Server
from training.models.digits.evaluation.__main__ import cli
from training.models.digits.evaluation.files import HeldOut
from training.models.digits.evaluation.measurement import measure


def test_every_kind_asked_for_is_measured(
    server: Server, sample: tuple[np.ndarray, np.ndarray]
) -> None:
    kinds = ["mnist", "plain-paper", "empty-paper", "number-plain"]

    rows = list(
        measure(server.client, kinds, HeldOut(*sample), each=3, seed=7, boxes=True)
    )

    assert [(row.kind, row.rows) for row in rows] == [(kind, 3) for kind in kinds]
    assert rows[0].right == 1
    assert rows[1].found is not None


def test_an_unknown_kind_is_named_beside_those_that_are_known(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--kinds", "mnist,papyrus"])

    assert result.exit_code == 2
    assert "received 'papyrus'" in result.output
    assert "plain-paper" in result.output
