"""Begins to trace, where that is asked for; else the SDK is not even imported."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.settings import Settings
from service.tracing.environment import TracingError

if TYPE_CHECKING:
    from service.tracing.export import Exporting


def is_on(settings: Settings) -> bool:
    """Whether spans are made."""
    is_disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return settings.tracing and not is_disabled


def start_exporting(
    process: str, settings: Settings, on_lost: Callable[[int], object]
) -> "Exporting | None":
    """Where the spans of this process go, if there is tracing; see `Exporting`."""
    if not is_on(settings):
        return None
    from service.tracing.export import Exporting

    return Exporting(process, on_lost)


def check_tracing(settings: Settings) -> None:
    """See, before any process is started, whether all of them could trace.

    Raises:
        TracingError: OpenTelemetry is not installed, or a standard variable is wrong.
    """
    try:
        tried = start_exporting("supervisor", settings, int)
    except ImportError as error:
        raise TracingError(
            f"SERVERY_TRACING: {error}. It is an extra: pip install 'servery[tracing]'"
        ) from error
    except ValueError as error:  # of a variable that is the SDK's to read
        raise TracingError(f"SERVERY_TRACING: {error}") from error
    if tried is not None:
        tried.close(0.0)
