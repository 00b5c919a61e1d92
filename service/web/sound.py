"""Bytes of a sound to samples, with every limit: kind, rate, length, damage.

    bytes ─ kind ─ head ─ length ─ decode ─ one channel ─ rate ─ cut or padded → samples
            └──┬─────┘       │        └─ InvalidAudio
               │             └─ AudioTooLarge
               └─ InvalidAudio

What a model does not look at is not decoded.
"""

import io
import math

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from service.errors import AudioTooLarge, InvalidAudio
from service.web.imaging.kinds import describe

EXPECTED = "a WAV, FLAC, OGG or MP3 file"
FORMATS = {"WAV": "WAV", "WAVEX": "WAV", "RF64": "WAV", "FLAC": "FLAC", "OGG": "OGG"}
FORMATS |= {"MP3": "MP3", "MPEG": "MP3"}  # by libsndfile's names
RATES = (1000, 96_000)  # samples a second
BLOCK = 65_536  # samples of one channel that are decoded at a time
TAIL = 256  # samples more than are wanted, which the filter looks at
UNTOLD = 1 << 40  # frames: a head that does not know says more
STREAMED = 0x7FFF_F000  # bytes: a WAV that was written to a pipe claims more

Samples = npt.NDArray[np.float32]


def read_sound(
    data: bytes, *, rate: int, samples: int, max_seconds: float, max_samples: int
) -> tuple[Samples, int]:
    """The beginning of a sound, in one channel.

    Args:
        data: The file.
        rate: Samples a second that are wanted.
        samples: How many are wanted; what is missing at the end is silence.
        max_seconds: Above which nothing is decoded.
        max_samples: The same, of those that are wanted, all channels counted.

    Returns:
        float32 (samples,), -1 to 1; and how many samples were decoded.

    Raises:
        InvalidAudio: No sound of a kind that we read, or empty, damaged or cut short.
        AudioTooLarge: Too long, or more than `max_samples`.
    """
    with _open(data) as file:
        wanted = math.ceil((samples + TAIL) * file.samplerate / rate)
        frames = min(wanted, _length(file, data, max_seconds))
        if frames * file.channels > max_samples:
            raise AudioTooLarge(
                "The sounds of this request are too long together: expected at most "
                f"{max_samples:,} samples more, received {frames * file.channels:,}."
            )
        mono = _decode(file, data, frames)
        if file.samplerate != rate:
            mono = soxr.resample(mono, file.samplerate, rate)
        decoded = frames * file.channels
    row = np.zeros(samples, np.float32)
    row[: len(mono)] = mono[:samples].clip(-1, 1)
    return row, decoded


def _open(data: bytes) -> soundfile.SoundFile:
    if not _may_be_sound(data):
        raise _unreadable(data)
    try:
        file = soundfile.SoundFile(io.BytesIO(data))
    except soundfile.LibsndfileError as error:
        raise InvalidAudio(
            f"The sound cannot be read: expected {EXPECTED}, received one that is "
            "damaged, or coded in another way."
        ) from error
    if file.format not in FORMATS:
        raise _unreadable(data)
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise InvalidAudio(
            f"The sound cannot be read: expected {RATES[0]:,} to {RATES[1]:,} samples "
            f"a second, received {file.samplerate:,}."
        )
    return file


def _may_be_sound(data: bytes) -> bool:
    """Whether its first bytes are those of a kind that we read: libsndfile knows more.

    An MP3 without a tag begins with a frame: eleven bits set, and layer III (ISO/IEC
    11172-3, 2.4.2.3).
    """
    if data[:4] in (b"RIFF", b"RF64"):
        return data[8:12] == b"WAVE"
    is_frame = data[:1] == b"\xff" and data[1:2] != b"" and data[1] & 0xE6 == 0xE2
    return is_frame or data[:4] in (b"fLaC", b"OggS") or data[:3] == b"ID3"


def _unreadable(data: bytes) -> InvalidAudio:
    return InvalidAudio(
        f"The sound cannot be read: expected {EXPECTED}, received {describe(data)}."
    )


def _length(file: soundfile.SoundFile, data: bytes, max_seconds: float) -> int:
    """Frames that the head tells of; a very large number where it does not know."""
    frames: int = file.frames
    if _is_cut_short(data):
        raise _damaged(file, data)
    if frames == 0:
        raise InvalidAudio("The sound is empty: expected samples, received 0.")
    seconds = frames / file.samplerate
    if frames < UNTOLD and seconds > max_seconds:
        raise AudioTooLarge(
            f"The sound is too long: expected at most {max_seconds:,.12g} s, received "
            f"{seconds:,.1f} s."
        )
    return frames


def _decode(file: soundfile.SoundFile, data: bytes, frames: int) -> Samples:
    """So many frames at most, the mean of their channels, float32 (frames,)."""
    blocks, left = [], frames
    try:
        while left:
            size = min(left, max(1, BLOCK // file.channels))
            block = file.read(size, dtype="float32", always_2d=True)
            if not len(block):
                break
            blocks.append(block.mean(axis=1))
            left -= len(block)
    except soundfile.LibsndfileError as error:
        raise _damaged(file, data) from error
    if not blocks or (left and file.frames < UNTOLD):
        raise _damaged(file, data)
    mono: Samples = np.concatenate(blocks)
    if not np.isfinite(mono).all():
        raise InvalidAudio(
            "The sound is damaged: expected finite samples, received others."
        )
    return mono


def _is_cut_short(data: bytes) -> bool:
    """Whether the file ends before it says: libsndfile plays what is there.

    Of a WAV its first chunk tells the length; an OGG ends with a whole page (RFC 3533,
    section 6).
    """
    if data[:4] == b"RIFF":
        size = int.from_bytes(data[4:8], "little")
        return size < STREAMED and size + 8 > len(data) + 1  # the last may be left out
    if data[:4] == b"OggS":
        page = data[data.rfind(b"OggS") :]
        count = page[26] if len(page) > 26 else 0
        return len(page) < max(28, 27 + count + sum(page[27 : 27 + count]))
    return False


def _damaged(file: soundfile.SoundFile, data: bytes) -> InvalidAudio:
    return InvalidAudio(
        f"The {FORMATS[file.format]} sound is damaged or cut short: expected all of "
        f"its samples, received {len(data):,} bytes that do not hold them."
    )


def to_wav(samples: Samples, rate: int) -> bytes:
    """A WAV of float32 (samples,), -1 to 1."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()
