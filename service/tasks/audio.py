"""Sounds to what a model takes: at its rate, of its length, in one channel."""

import base64
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from service.contract.contract import Contract
from service.contract.dtypes import numpy_dtype
from service.contract.signature import TensorSpec
from service.contract.task import SERVING
from service.errors import InvalidInput
from service.tasks.classes import Classifier
from service.tasks.endpoint import (
    QUICK_ITEMS,
    FileEndpoint,
    Given,
    declared_example,
)
from service.web.api.model_call import ModelCall
from service.web.api.schemas import AudiosRequest
from service.web.sound import Samples, read_sound, to_wav

LOUDEST = 32_767  # of int16
A4 = 440  # of the example, in Hz: a tenth of a second


class AudioClassifier(FileEndpoint, Classifier):
    """Sounds to classes.

    Args:
        contract: Whose task is a classification of sounds.
    """

    request = AudiosRequest

    def __init__(self, contract: Contract):
        Classifier.__init__(self, contract)
        signature = contract.signatures[SERVING]
        self._input = signature.inputs[0]
        self._row_bytes = signature.count_bytes([self.task.samples])
        self.example = declared_example(self.task, "audio") or _tone(self.task.rate)

    async def read_all(self, call: ModelCall, rows: Sequence[bytes]) -> Given:
        """See `TaskEndpoint`."""
        call.hold(len(rows), self._row_bytes)
        sounds = await call.wait_for_decoders(self._decode(call, rows))
        much = len(rows) * self.task.samples > QUICK_ITEMS
        work = partial(_as_input, sounds, self._input)
        return Given([(await call.decode(work, in_thread=much),)])

    async def _decode(self, call: ModelCall, files: Sequence[bytes]) -> list[Samples]:
        """One after the other, so that others get their turn between them."""
        settings = call.state.settings
        longest = settings.max_audio_seconds
        if self.task.max_seconds is not None:
            longest = min(longest, self.task.max_seconds)
        left, sounds = settings.max_request_samples, []
        for index, data in enumerate(files):
            work = partial(
                read_sound,
                data,
                rate=self.task.rate,
                samples=self.task.samples,
                max_seconds=longest,
                max_samples=left,
            )
            try:
                row, decoded = await call.state.decoders.run(
                    work, call.deadline, call.asker
                )
            except InvalidInput as error:
                raise _naming(index, error) if len(files) > 1 else error from None
            sounds.append(row)
            left -= decoded
        return sounds


def _naming(index: int, error: InvalidInput) -> InvalidInput:
    """The same error, naming the sound."""
    details = [{"field": f"audios.{index}", "error": error.message}]
    return type(error)(f"Sound {index}: {error.message}", details=details)


def _as_input(rows: Sequence[Samples], spec: TensorSpec) -> npt.NDArray[Any]:
    """Each float32 (samples,), -1 to 1, to the dtype and dimensions of an input."""
    sounds, dtype = np.stack(rows), numpy_dtype(spec.dtype)
    values = np.rint(sounds * LOUDEST) if dtype.kind == "i" else sounds
    shape = (*sounds.shape, 1) if len(spec.shape) == 3 else sounds.shape
    return values.astype(dtype, copy=False).reshape(shape)


def _tone(rate: int) -> str:
    """A WAV of a tone, in base64: nothing that a model knows."""
    times = np.arange(rate // 10) / rate
    tone = 0.5 * np.sin(2 * np.pi * A4 * times)
    return base64.b64encode(to_wav(tone.astype(np.float32), rate)).decode()
