"""Says whether KServe's own SDK knows every field of resources for KServe.

Arguments: files, each with one ServingRuntime or InferenceService.
"""

import re
import sys
from pathlib import Path
from typing import Any

import kserve
import yaml
from kubernetes import client

MODELS = {
    "ServingRuntime": "V1alpha1ServingRuntime",
    "InferenceService": "V1beta1InferenceService",
}


def check(value: Any, type_name: str, path: str) -> None:
    """Fail unless every key below is a field of the SDK's models."""
    of_many = re.fullmatch(r"(list\[|dict\(str, )(.+)[\])]", type_name)
    model = getattr(kserve, type_name, None) or getattr(client, type_name, None)
    if of_many:
        inside = enumerate(value) if of_many[1] == "list[" else value.items()
        for key, each in inside:
            check(each, of_many[2], f"{path}.{key}")
    elif model is not None:
        types = {
            model.attribute_map[name]: kind
            for name, kind in model.openapi_types.items()
        }
        for key, each in value.items():
            assert key in types, f"{path}.{key}: not a field of {type_name}"
            check(each, types[key], f"{path}.{key}")


for file in sys.argv[1:]:
    resource = yaml.safe_load(Path(file).read_text())
    check(resource, MODELS[resource["kind"]], resource["kind"])
sys.stdout.write("passed\n")
