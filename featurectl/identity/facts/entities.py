"""What an entity says, field by field."""

from __future__ import annotations

from featurectl.identity.facts.base import Facts, plain
from featurectl.language.definitions.entity import Entity


def entity_facts(entity: Entity) -> Facts:
    """Return everything in an entity that can change a value."""
    return {f"keys.{name}": plain(dtype) for name, dtype in entity.keys.items()}
