"""What OpenTelemetry's standard variables say of what is decided here.

All others are its SDK's to read: endpoint, headers, time limits, resource, span limits.
See https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/.
"""

import os
from typing import NamedTuple

PROTOCOL = "http/protobuf"
SAMPLERS = ("always_on", "always_off", "traceidratio")
PARENT_BASED = "parentbased_"
MOST_WAITING, MOST_SENT = 2048, 512  # spans; the standard's defaults


class TracingError(Exception):
    """Spans cannot be made or sent as it is asked for."""


class Sampling(NamedTuple):
    """Which requests are traced.

    Attributes:
        rate: Of those that are not decided by their caller, 0 to 1.
        heeds_caller: Whether a caller that sends a context decides.
    """

    rate: float
    heeds_caller: bool


class Variables(NamedTuple):
    """What the standard variables say.

    Attributes:
        sampling: Which requests are traced.
        most_waiting: Spans that may wait in one process to be sent.
        most_sent: Of these at once.
    """

    sampling: Sampling
    most_waiting: int
    most_sent: int


def read_variables() -> Variables:
    """Read them.

    Raises:
        TracingError: One of them is not what it may be.
    """
    _check_protocol()
    most_waiting = _read_number("OTEL_BSP_MAX_QUEUE_SIZE", MOST_WAITING)
    most_sent = _read_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MOST_SENT)
    return Variables(_read_sampling(), most_waiting, min(most_sent, most_waiting))


def _check_protocol() -> None:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        given = os.environ.get(name)
        if given and given != PROTOCOL:
            raise TracingError(f"{name}: expected {PROTOCOL}, received {given!r}")


def _read_sampling() -> Sampling:
    given = os.environ.get("OTEL_TRACES_SAMPLER") or f"{PARENT_BASED}always_on"
    name = given.strip().lower()
    heeds_caller = name.startswith(PARENT_BASED)
    name = name.removeprefix(PARENT_BASED)
    if name not in SAMPLERS:
        raise TracingError(
            f"OTEL_TRACES_SAMPLER: expected {', '.join(SAMPLERS)}, or {PARENT_BASED} "
            f"and one of them; received {given!r}"
        )
    if name == "traceidratio":
        return Sampling(_read_rate(), heeds_caller)
    return Sampling(float(name == "always_on"), heeds_caller)


def _read_rate() -> float:
    given = os.environ.get("OTEL_TRACES_SAMPLER_ARG") or "1"
    try:
        rate = float(given)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise TracingError(
            f"OTEL_TRACES_SAMPLER_ARG: expected a share from 0 to 1, received {given!r}"
        )
    return rate


def _read_number(name: str, default: int) -> int:
    given = os.environ.get(name) or str(default)
    if not (given.isascii() and given.isdecimal()) or not int(given):
        raise TracingError(f"{name}: expected a number from 1 on, received {given!r}")
    return int(given)
