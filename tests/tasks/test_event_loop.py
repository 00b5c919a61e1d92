"""What takes long is done beside the event loop, what does not is done on it."""

import base64
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from service.contract.task import ImageGeneration, ImageSegmentation
from service.tasks import audio, generation, images, segmentation
from service.tasks.endpoint import QUICK_NUMBERS
from tests.models.predicting import Application, accepted
from tests.saved_models import Spec
from tests.tasks import tiny
from tests.tasks.test_audio import encode, tone
from tests.tasks.test_segmentation import png

SIDE = 128  # of a mask with more numbers than are quickly looked through
LENGTH = QUICK_NUMBERS + 1


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bool]]:
    """By its name, whether each call of a function was on the event loop."""
    loop, seen = threading.current_thread(), dict[str, list[bool]]()

    def watch(module: Any, name: str) -> None:
        work = getattr(module, name)

        def watched(*given: Any) -> Any:
            seen.setdefault(name, []).append(threading.current_thread() is loop)
            return work(*given)

        monkeypatch.setattr(module, name, watched)

    for module, name in (
        (generation, "draw"), (generation, "to_pixels"), (images, "as_input"),
        (segmentation, "to_base64"), (audio, "_as_input"),
    ):  # fmt: skip
        watch(module, name)
    return seen


def write_large(artifacts: Path) -> None:
    """`mask`, of many pixels, and `noise`, of many latents."""

    def find(image: Any) -> Any:
        return {"probability": image / 255}

    task = ImageSegmentation(size=(SIDE, SIDE), colour="grey")
    spec = Spec([None, SIDE, SIDE], "float32", "image")
    tiny.write(artifacts, "mask", task, ("a", "b"), find, spec)

    def paint(latent: Any) -> Any:
        return {"image": tf.abs(latent[:, tf.newaxis, :64])}

    latents = Spec([None, LENGTH], "float32", "latent")
    tiny.write(artifacts, "noise", ImageGeneration(), (), paint, latents)


def test_drawings_masks_and_inputs_leave_the_event_loop_where_they_are_large(
    tmp_path: Path, threads: dict[str, list[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.write_shades(tmp_path)
    tiny.write_wall(tmp_path)
    tiny.write_shapes(tmp_path)
    tiny.write_sounds(tmp_path)
    write_large(tmp_path)
    application = Application(tmp_path)

    def ask(path: str, **request: Any) -> dict[str, list[bool]]:
        threads.clear()
        accepted(application.ask(path, **request))
        return dict(threads)

    def show(*pictures: np.ndarray) -> dict[str, Any]:
        files = [base64.b64encode(png(each)).decode() for each in pictures]
        return {"json": {"images": files}}

    black, sound = np.zeros((8, 12)), {"files": [("file", ("a", encode(tone(300))))]}
    small = ask("/v1/predict/shades", **show(black))
    assert small == {"as_input": [True], "to_base64": [True]}
    large = ask("/v1/predict/mask", **show(black))
    assert large == {"as_input": [True], "to_base64": [False]}
    assert ask("/v1/predict/sounds", **sound) == {"_as_input": [True]}
    small = ask("/v1/generate/shapes", json={"count": 4})
    assert small == {"draw": [True], "to_pixels": [True]}
    large = ask("/v1/generate/wall", json={"count": 1})
    assert large == {"draw": [True], "to_pixels": [False]}
    assert ask("/v1/generate/noise", json={"count": 1})["draw"] == [False]

    for module in (images, audio):
        monkeypatch.setattr(module, "QUICK_ITEMS", 0)
    assert ask("/v1/predict/shades", **show(black, black))["as_input"] == [False]
    assert ask("/v1/predict/sounds", **sound) == {"_as_input": [False]}
    application.close()
