"""Find what is applied by words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, Literal

from featurectl.catalog.objects import CATALOG_KINDS, CatalogKind, read_objects
from featurectl.catalog.summaries import ObjectSummary, summarize
from featurectl.core.dataclass import dataclass
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
    found = [
        (_rank(item, words), place, SearchHit(object=item, found_in=tuple(_places(item, words))))
        for place, item in enumerate(summarize(read_objects(workspace), request.kinds))
        if all(any(word in text for _, text in _texts(item)) for word in words)
    ]
    return tuple(hit for _, _, hit in sorted(found, key=lambda entry: entry[:2]))


def _texts(item: ObjectSummary) -> Iterator[tuple[Where, str]]:
    yield "name", item.name.casefold()
    yield "aliases", " ".join(item.aliases).casefold()
    yield "tags", " ".join(item.tags).casefold()
    yield "description", item.description.casefold()
    yield "owner", item.owner.casefold()
    yield "definition", item.definition.casefold()
    yield "type", item.type.casefold()
    yield "entity", item.entity.casefold()


def _places(item: ObjectSummary, words: Sequence[str]) -> list[Where]:
    return [where for where, text in _texts(item) if any(word in text for word in words)]


def _rank(item: ObjectSummary, words: Sequence[str]) -> tuple[int, int]:
    """Return what sorts a hit: how well its name fits the words, then the best text that has one of them."""
    name = item.name.casefold()
    last = name.rpartition(":")[2]
    joined = " ".join(words)
    if joined in (name, last):
        fit = _NAME_IS
    elif name.startswith(joined) or last.startswith(joined):
        fit = _NAME_BEGINS
    else:
        fit = _NAME_HAS if all(word in name for word in words) else len(_RANKS)
    return fit, min(_RANKS.index(where) for where in _places(item, words))
