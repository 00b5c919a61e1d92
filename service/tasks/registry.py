"""Which typed endpoint a model has: made of what its version declares, and kept."""

from collections.abc import Callable, Mapping

from service.contract.contract import Contract
from service.contract.task import Task, TextGeneration
from service.engine.catalog import Catalog
from service.tasks.audio import AudioClassifier
from service.tasks.endpoint import Endpoint
from service.tasks.generation import Generator
from service.tasks.images import ImageClassifier
from service.tasks.segmentation import ImageSegmenter
from service.tasks.tables import TableClassifier, TableRegressor
from service.tasks.texts import TextClassifier
from service.tasks.writing import TextGenerator

ENDPOINTS: dict[str, Callable[[Contract], Endpoint]] = {
    "image-classification": ImageClassifier,
    "image-generation": Generator,
    "image-segmentation": ImageSegmenter,
    "audio-classification": AudioClassifier,
    "text-classification": TextClassifier,
    "text-generation": TextGenerator,
    "tabular-classification": TableClassifier,
    "tabular-regression": TableRegressor,
}


class TaskEndpoints:
    """The endpoints of all versions that declare a task.

    Attributes:
        shipped: Those of our own models, by their names.
    """

    def __init__(self) -> None:
        self.shipped: Mapping[str, Endpoint] = {}
        self._made: dict[tuple[str, int], tuple[Contract, Endpoint]] = {}

    def find(self, contract: Contract) -> Endpoint | None:
        """The endpoint of a version; None if it declares no task."""
        task = declared(contract)
        if task is None:
            return None
        key = contract.name, contract.version
        kept = self._made.get(key)
        if kept is None or (kept[0] is not contract and kept[0] != contract):
            made = ENDPOINTS[task.kind](contract)
        else:
            made = kept[1]
        self._made[key] = contract, made
        return made


def find_writer(catalog: Catalog, name: str) -> str:
    """The model that writes what is called so; the name itself, where none does."""
    for model in catalog.models.values():
        task = declared(model.default.contract if model.default else None)
        if isinstance(task, TextGeneration) and task.writes == name:
            return model.name
    return name


def declared(contract: Contract | None) -> Task | None:
    """The task that a version declares; None if it declares none, or only names one."""
    task = contract.task if contract else None
    return None if isinstance(task, str) else task
