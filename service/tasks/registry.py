"""Which typed endpoint a model has: made of what its version declares, and kept."""

from collections.abc import Callable

from service.contract.contract import Contract
from service.contract.task import Task
from service.tasks.endpoint import TaskEndpoint
from service.tasks.images import ImageClassifier
from service.tasks.tables import TableClassifier, TableRegressor
from service.tasks.texts import TextClassifier

ENDPOINTS: dict[str, Callable[[Contract], TaskEndpoint]] = {
    "image-classification": ImageClassifier,
    "text-classification": TextClassifier,
    "tabular-classification": TableClassifier,
    "tabular-regression": TableRegressor,
}


class TaskEndpoints:
    """The endpoints of all versions that declare a task which POST predict does."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], tuple[Contract, TaskEndpoint]] = {}

    def find(self, contract: Contract) -> TaskEndpoint | None:
        """The endpoint of a version; None if it declares no such task."""
        task = declared(contract)
        if task is None or task.kind not in ENDPOINTS:
            return None
        key = contract.name, contract.version
        kept = self._made.get(key)
        if kept is None or (kept[0] is not contract and kept[0] != contract):
            made = ENDPOINTS[task.kind](contract)
        else:
            made = kept[1]
        self._made[key] = contract, made
        return made


def declared(contract: Contract | None) -> Task | None:
    """The task that a version declares; None if it declares none, or only names one."""
    task = contract.task if contract else None
    return None if isinstance(task, str) else task
