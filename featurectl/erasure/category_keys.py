"""Erased keys among the categories of a model's inputs: the registry has these lists, and so has the model itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from featurectl.core.erasures import Erasures, text_digest
from featurectl.registry.state import BoundFeature, ModelVersion

_ERASED: Final = "\x00erased"  # in the place of a value, so that the codes of the others stay


def erased_categories(
    version: ModelVersion, erasures: Erasures, entities: Collection[str]
) -> Mapping[str, frozenset[str]]:
    """Return by the names of inputs which of their categories are erased keys of some entities.

    Of an entity with several keys those are found that were erased by one of them alone. A category may be such a key
    by chance: what is compared is its text.
    """
    digests = {
        digest
        for entity in entities
        for keys, known in erasures.digests_of(entity).items()
        if len(keys) == 1
        for digest in known
    }
    if not digests:
        return {}
    found = {
        item.name: frozenset(
            value for value in item.categories or () if text_digest(erasures.secret, [value]) in digests
        )
        for item in version.inputs
    }
    return {name: values for name, values in found.items() if values}


def without_categories(version: ModelVersion, erased: Mapping[str, frozenset[str]]) -> tuple[BoundFeature, ...]:
    """Return the inputs of a version without some categories, in whose places stands that they were erased."""
    return tuple(
        item
        if item.name not in erased
        else replace(
            item,
            categories=tuple(_ERASED if value in erased[item.name] else value for value in item.categories or ()),
        )
        for item in version.inputs
    )


def categories_note(erased: Mapping[str, frozenset[str]]) -> str:
    """Return what is to be done of a version that is in use.

    >>> categories_note({"c": frozenset(["ann"])})[:73]
    'an erased key is among the categories of input c, here, in its profile an'
    """
    names = ", ".join(erased)
    return (
        f"an erased key is among the categories of input {names}, here, in its profile and in the model itself: train "
        "the model without it, retire this version, and run `featurectl erase --again` and `featurectl clean`"
    )
