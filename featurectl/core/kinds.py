"""The kinds of objects that a repository declares: their lists in the files, and the words for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

ObjectKind = Literal[
    "entity", "source", "feature_view", "model", "pipeline", "deployment", "alert", "notifier"
]  # that a registry keeps
DeclaredKind = ObjectKind | Literal["test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindWords:
    """A kind's list in the files, what one and what several are called, and the short words for both."""

    section: str
    one: str
    several: str
    short: str = ""
    short_several: str = ""


def _words(one: str, several: str = "") -> KindWords:
    several = several or f"{one}s"
    return KindWords(section=several, one=one, several=several, short=one, short_several=several)


WORDS: Final[Mapping[DeclaredKind, KindWords]] = {
    "entity": _words("entity", "entities"),
    "source": _words("source"),
    "feature_view": KindWords(
        section="feature_views", one="feature view", several="feature views", short="view", short_several="views"
    ),
    "model": _words("model"),
    "test": _words("test"),
    "pipeline": _words("pipeline"),
    "deployment": _words("deployment"),
    "alert": _words("alert"),
    "notifier": _words("notifier"),
}
KIND_OF_SECTION: Final[Mapping[str, DeclaredKind]] = {words.section: kind for kind, words in WORDS.items()}
OBJECT_KINDS: Final[tuple[ObjectKind, ...]] = get_args(ObjectKind)
