"""What the service says of itself: `/metrics` before a test and after."""

from dataclasses import dataclass, field

from loadtest.target import Snapshot, Target, TargetError

MEMORY_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What one model did, by the service's own count.

    Attributes:
        model: Its name.
        answered: Requests answered 200.
        batches: That were run.
        rows_a_batch: On average, without padding.
        queue_p50_s: That a request waited for its batch, read off a histogram.
        queue_p99_s: See there.
        compute_p50_s: That its batches ran, likewise.
    """

    model: str
    answered: int
    batches: int
    rows_a_batch: float
    queue_p50_s: float
    queue_p99_s: float
    compute_p50_s: float


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """What the service did, by its own count.

    Attributes:
        models: Those that were asked.
        rejections: By reason.
        restarts: Processes that died and were replaced.
        memory: Seconds from the start, and bytes resident in all processes; empty
            where the service does not tell.
    """

    models: tuple[ModelFigures, ...]
    rejections: dict[str, int]
    restarts: int
    memory: tuple[tuple[float, float], ...] = field(default=())


def read_figures(
    work: Snapshot, memory: tuple[tuple[float, float], ...] = ()
) -> ServiceFigures:
    """The figures of what was added to the metrics in a test."""
    requests = "servery_request_seconds_count"
    names = [name for name in work.values(requests, "model") if name]
    reasons = work.values("servery_rejections_total", "reason")
    return ServiceFigures(
        tuple(_read_model(work, name) for name in names),
        {
            each: int(work.total("servery_rejections_total", reason=each))
            for each in reasons
        },
        int(work.total("servery_process_restarts_total")),
        memory,
    )


def _read_model(work: Snapshot, model: str) -> ModelFigures:
    batches = work.total("servery_batch_rows_count", model=model)
    rows = work.total("servery_batch_rows_sum", model=model)
    answered = work.total("servery_request_seconds_count", model=model, status="200")
    return ModelFigures(
        model=model,
        answered=int(answered),
        batches=int(batches),
        rows_a_batch=rows / batches if batches else float("nan"),
        queue_p50_s=work.quantile("servery_queue_seconds", 0.5, model=model),
        queue_p99_s=work.quantile("servery_queue_seconds", 0.99, model=model),
        compute_p50_s=work.quantile("servery_compute_seconds", 0.5, model=model),
    )


class Watch:
    """Reads the metrics at the start of what counts, at the end, and memory between.

    Args:
        target: The service.
        warmup_s: From when on requests count.
    """

    def __init__(self, target: Target, warmup_s: float):
        self._target, self._warmup_s = target, warmup_s
        self._memory: list[tuple[float, float]] = []
        self._next_s = MEMORY_EVERY_S
        first = self._read(0.0)
        self._before = None if warmup_s else first

    def look(self, now_s: float) -> None:
        """Called now and then during the test."""
        starts = self._before is None and now_s >= self._warmup_s
        if starts or now_s >= self._next_s:
            snapshot = self._read(now_s)
            self._before = self._before or (snapshot if starts else None)
            self._next_s = now_s + MEMORY_EVERY_S

    def finish(self, now_s: float) -> ServiceFigures | None:
        """The figures; None where the service did not tell."""
        after = self._read(now_s)
        if self._before is None or after is None:
            return None
        return read_figures(after.since(self._before), tuple(self._memory))

    def _read(self, now_s: float) -> Snapshot | None:
        try:
            snapshot = self._target.snapshot()
        except TargetError:
            return None
        memory = snapshot.memory_bytes()
        if memory is not None:
            self._memory.append((now_s, memory))
        return snapshot
