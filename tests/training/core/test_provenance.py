"""The manifest says truly where a model comes from."""

import re

from service.contract.manifest import Data
from training.core import provenance

DATA = Data(name="none", source="here", licence="CC0", sha256={}, rows={"train": 4})


def test_a_run_records_its_code_machine_versions_and_time() -> None:
    run = provenance.begin_run(seed=7)

    ran = run.finish((DATA,), epochs=3, hyperparameters={"dropout": 0.4})

    assert re.fullmatch(r"([0-9a-f]{40}|unknown)(\+changes)?", ran.git_commit)
    assert ran.hardware.endswith(" cores")
    libraries = {"python", "tensorflow", "keras", "numpy", "scikit-learn"}
    assert ran.versions.keys() == libraries
    assert (ran.seed, ran.epochs, ran.data) == (7, 3, (DATA,))
    assert 0 <= ran.seconds < 60
