"""A model that writes is exported as any other, and its examples are asked."""

from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import servery
from service.contract.manifest import read_manifest
from tests.saved_models import writer
from tests.tasks.writers import TASK, compose


@pytest.fixture(scope="module")
def module() -> Any:
    return writer()


def test_a_module_that_reads_and_steps_is_exported_with_its_task(
    module: Any, tmp_path: Path
) -> None:
    said = compose(prompt="dear", length=30, seed=1)
    request = {"prompt": "dear", "length": 30, "seed": 1}
    examples = [{"title": "A letter", "request": request, "answer": {"text": said}}]

    folder = servery.export(
        module, "scribe", artifacts=tmp_path, task={**TASK, "examples": examples}
    )

    manifest = read_manifest(folder)
    assert isinstance(manifest.task, servery.TextGeneration)
    assert manifest.signatures.keys() == {"read", "step"}


def test_an_example_that_is_answered_otherwise_is_refused(
    module: Any, tmp_path: Path
) -> None:
    request = {"prompt": "dear", "length": 3, "seed": 1}
    examples = [{"title": "A letter", "request": request, "answer": {"text": "sir"}}]
    with pytest.raises(
        servery.ExportRefused, match=r"A letter\), answer.text: expected"
    ):
        servery.export(
            module, "scribe", artifacts=tmp_path, task={**TASK, "examples": examples}
        )


def test_a_module_that_cannot_write_is_refused(tmp_path: Path) -> None:
    class Doubles(tf.Module):  # type: ignore[misc]
        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None], tf.float32, "x")]
        )
        def call(self, x: Any) -> Any:
            return {"y": 2 * x}

    with pytest.raises(servery.ExportRefused, match="signatures 'read' and 'step'"):
        servery.export(Doubles(), "scribe", artifacts=tmp_path, task=TASK)
