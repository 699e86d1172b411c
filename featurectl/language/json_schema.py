"""The JSON Schemas of a repository's files, from the shapes that read them.

There are two, because editors complete best by a schema that knows which file it is for: one for featurectl.yaml and
one for all other files. They are draft 7, which every YAML language server knows.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.objects import LISTS, PROJECT

_DIALECT = "http://json-schema.org/draft-07/schema#"
_FILES = (
    "A file of a feature repository: any of these lists. How they are cut into files is up to you; names are unique "
    "for each kind in the whole repository."
)


def file_schema() -> dict[str, object]:
    """Return the JSON Schema of every file but featurectl.yaml: lists of objects."""
    references, definitions = _definitions(LISTS.values())
    lists = {
        name: {"type": "array", "items": references[shape], "description": shape.__doc__}
        for name, shape in LISTS.items()
    }
    return {
        "$schema": _DIALECT,
        "title": "featurectl: lists of objects",
        "description": _FILES,
        "type": "object",
        "properties": lists,
        "additionalProperties": False,
        "definitions": definitions,
    }


def project_schema() -> dict[str, object]:
    """Return the JSON Schema of featurectl.yaml."""
    references, definitions = _definitions([PROJECT])
    project = definitions.pop(references[PROJECT]["$ref"].rpartition("/")[2])
    return {"$schema": _DIALECT, **project, "title": "featurectl.yaml", "definitions": definitions}


def _definitions(shapes: Iterable[type[ObjectShape]]) -> tuple[dict[type[BaseModel], JsonSchemaValue], JsonSchemaValue]:
    """Return how to refer to each shape, and the definitions of all shapes that they are made of."""
    wanted = list(shapes)
    for shape in wanted:
        shape.model_rebuild()
    references, schema = models_json_schema(
        [(shape, "validation") for shape in wanted],
        ref_template="#/definitions/{model}",
        schema_generator=_WrittenSchema,
    )
    return {shape: references[(shape, "validation")] for shape in wanted}, schema["$defs"]


class _WrittenSchema(GenerateJsonSchema):
    """pydantic's generator for what people write: a key that is left out is not a key that is null."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Return the schema of the value: None stands for a missing key alone."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Return the schema without the default: editors would write it into every new object."""
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: object) -> bool:
        """Return false: a title made from the key's name would only stand above it in an editor."""
        del schema
        return False

    def normalize_name(self, name: str) -> str:
        """Return the name of a definition: the shape's, without that it is one."""
        return super().normalize_name(name).removesuffix("Shape")
