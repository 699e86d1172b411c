"""The JSON Schema of a repository's files, from the shapes that read them."""

from __future__ import annotations

from pydantic.json_schema import models_json_schema

from featurectl.spec.model import LISTS, PROJECT


def file_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of one file: featurectl.yaml, or lists of objects."""
    shapes = [PROJECT, *LISTS.values()]
    for shape in shapes:
        shape.model_rebuild()
    refs, schema = models_json_schema([(shape, "validation") for shape in shapes])
    lists = {
        name: {"type": "array", "items": refs[(shape, "validation")], "description": shape.__doc__}
        for name, shape in LISTS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "featurectl repository file",
        "type": "object",
        "if": {"anyOf": [{"required": ["project"]}, {"required": ["environments"]}]},
        "then": refs[(PROJECT, "validation")],
        "else": {"properties": lists, "additionalProperties": False},
        "$defs": schema["$defs"],
    }
