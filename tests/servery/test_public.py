"""The package's one door: what it names, what it costs to import, its error tree."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import servery
from servery import errors
from service.contract import task
from service.contract.signature import Frozen

ROOT = Path(servery.__file__).parent


@pytest.mark.parametrize("name", servery.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found: Any = getattr(servery, name)
    assert found.__doc__


def test_all_is_sorted_and_complete() -> None:
    declared: dict[str, Any] = vars(task)
    declarations = [
        name
        for name, each in declared.items()
        if isinstance(each, type) and issubclass(each, Frozen)
    ]
    public = {name for name in declarations if not name.startswith("_")}
    public -= {"Frozen", "Signature", "TensorSpec"}
    kinds = {"ServeryError", *(each.__name__ for each in below())}
    answers = {"Class", "GeneratedImages", "GeneratedTexts", "Model", "Prediction"}
    answers |= {"TextPiece"}
    rest = {"AsyncClient", "Client", "ExportRefused", "export"}
    assert servery.__all__ == sorted(public | kinds | answers | rest)
    assert dir(servery) == servery.__all__


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Cleint'"):
        servery.Cleint  # noqa: B018


def test_to_import_it_imports_nothing_heavy() -> None:
    code = (
        "import sys, servery\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'httpx', 'pydantic', 'PIL'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
        "servery.Client, servery.ImageClassification\n"
        "print(sorted({'tensorflow', 'keras', 'fastapi'} & sys.modules.keys()))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["[]", "[]"]


def test_the_command_line_starts_without_what_only_predict_needs() -> None:
    code = "import sys, service.cli; print('httpx' in sys.modules)"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"


def test_its_types_are_for_type_checkers_too() -> None:
    assert (ROOT / "py.typed").is_file()


def test_every_error_is_drawn_in_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert drawn == [each.__name__ for each in below()]


def below() -> list[type[errors.ServeryError]]:
    return errors.ServeryError.__subclasses__()
