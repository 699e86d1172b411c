"""The language, as it is written: entities."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.values import (
    KeyType,
    Listed,
    Name,
    NamedMapped,
    Text,
)


class EntityShape(ObjectShape):
    """What features are about, and the columns that tell one from another."""

    what: ClassVar[str] = "entity"
    name: Name = Field(description="The entity's name; feature views say `entity: NAME`.")
    keys: NamedMapped[KeyType] = Field(
        description="The join keys with their types: string, int64, bool or date. Several make a composite key. "
        "A key has one type in the whole repository."
    )
    description: Text = Field("", description="What it is, for people.")
    owner: Text = Field("", description="Who answers for it.")
    tags: Listed[Text] = Field((), description="Words to select by: `--select tag:x`.")
