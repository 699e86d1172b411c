"""Find what is applied by words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from featurectl.catalog.objects import CATALOG_KINDS, CatalogKind, read_objects
from featurectl.catalog.summaries import ObjectSummary, summarize
from featurectl.core.errors import UsageError

if TYPE_CHECKING:
    from featurectl.workspace.workspace import Workspace

Where = Literal["name", "aliases", "tags", "description", "owner", "definition", "type", "entity"]
_NAME_IS, _NAME_BEGINS, _NAME_HAS = 0, 1, 2
_RANKS: Final[Sequence[Where]] = ("name", "aliases", "tags", "description", "owner", "definition", "type", "entity")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchHit:
    """An object that was found, and in which of its texts the words are, the best first."""

    object: ObjectSummary
    found_in: tuple[Where, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """Words, all of which an object must have, in any of its texts and in any case; of some kinds."""

    text: str
    kinds: tuple[CatalogKind, ...] = CATALOG_KINDS


def search_objects(workspace: Workspace, request: SearchRequest) -> tuple[SearchHit, ...]:
    """Return what is applied and has all the words: names first, an exact one before all; ties by kind and name.

    Raises:
        CheckFailedError: nothing is applied.
        UsageError: there are no words.
        StoreError: the registry can't be read.
    """
    words = request.text.casefold().split()
    if not words:
        raise UsageError("there is nothing to search for", hint="featurectl search delay")
    found = []
    for number, item in enumerate(summarize(read_objects(workspace), request.kinds)):
        texts = _texts(item)
        if all(any(word in text for text in texts.values()) for word in words):
            places = tuple(where for where, text in texts.items() if any(word in text for word in words))
            found.append((_rank(texts["name"], words, places), number, SearchHit(object=item, found_in=places)))
    return tuple(hit for _, _, hit in sorted(found, key=lambda entry: entry[:2]))


def _texts(item: ObjectSummary) -> dict[Where, str]:
    """Return what is searched, in the order of `_RANKS`."""
    return {
        "name": item.name.casefold(),
        "aliases": " ".join(item.aliases).casefold(),
        "tags": " ".join(item.tags).casefold(),
        "description": item.description.casefold(),
        "owner": item.owner.casefold(),
        "definition": item.definition.casefold(),
        "type": item.type.casefold(),
        "entity": item.entity.casefold(),
    }


def _rank(name: str, words: Sequence[str], places: Sequence[Where]) -> tuple[int, int]:
    """Return what sorts a hit: how well its name fits the words, then the best text that has one of them."""
    last = name.rpartition(":")[2]
    joined = " ".join(words)
    if joined in (name, last):
        fit = _NAME_IS
    elif name.startswith(joined) or last.startswith(joined):
        fit = _NAME_BEGINS
    else:
        fit = _NAME_HAS if all(word in name for word in words) else len(_RANKS)
    return fit, _RANKS.index(places[0])
