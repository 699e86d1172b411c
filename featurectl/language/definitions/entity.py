"""Entities: join keys with their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from featurectl.language.definitions.about import NOTHING_SAID, About


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """Join keys with their types, in the order of the file: one of KEY_TYPES each."""

    name: str
    keys: Mapping[str, str]
    about: About = NOTHING_SAID
