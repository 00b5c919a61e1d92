"""A small model that writes, and what it writes, by NumPy alone."""

from pathlib import Path
from typing import Any

import numpy as np

from service.engine.texts.drawing import draw
from tests.saved_models import NUMBERS, SYMBOLS, next_logits, write_on, writes
from tests.tasks.declared import declare

WORDS = ["unkind", "kind"]
UNIT = 1 / 16
TASK: dict[str, Any] = {
    "kind": "text-generation",
    "writes": "letter",
    "symbols": SYMBOLS,
    "replacements": {"\u2019": "", "é": "e", "W": "w", "…": "..."},
    "control": {"name": "mood", "words": WORDS, "default": "kind"},
    "max_prompt": 12,
    "max_length": 2000,
    "default_length": 40,
    "logit_unit": UNIT,
    "examples": [
        {"title": "A letter", "request": {"prompt": "dear", "length": 30, "seed": 1}}
    ],
}


def write_letters(
    artifacts: Path, name: str = "scribe", version: int = 1, **changed: Any
) -> None:
    """`scribe`, which writes letters."""
    task = {**TASK, **changed}
    folder = artifacts / name / str(version)
    writes(folder, control=task.get("control") is not None)
    declare(artifacts, name, task, version=version)


def compose(
    *,
    prompt: str = "",
    mood: str = "kind",
    length: int = 40,
    temperature: float = 0.7,
    top_k: int = 1000,
    seed: int = 0,
    index: int = 0,
    stop: str | None = None,
) -> str:
    """What `scribe` is to write."""
    control = np.array([WORDS.index(mood)])
    state = np.zeros((1, NUMBERS), np.int64)
    for character in prompt:
        state = write_on(state, np.array([SYMBOLS.index(character)]), control)
    random = np.random.RandomState((seed, index))
    text = ""
    while len(text) < length:
        drawn, _ = draw(
            np.array(next_logits(state), np.int32),
            UNIT,
            np.array([temperature]),
            np.array([top_k]),
            np.array([random.random_sample()]),
        )
        if SYMBOLS[drawn[0]] == stop:
            break
        text += SYMBOLS[drawn[0]]
        state = write_on(state, drawn, control)
    return text
