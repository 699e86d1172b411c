"""What a shell completes: names of what is applied, environments, codes, forms of output.

It reads the registry as `list` does, and never says an error: whatever fails completes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from featurectl.catalog.objects import CatalogKind

Candidates = Callable[[Path | None, str | None, str], list[str]]  # of the repository, the environment, the word


def completer(name: str) -> Callable[..., list[str]] | None:
    """Return what completes a parameter of a command by its name; None: nothing does."""
    found = _COMPLETED.get(name)
    return None if found is None else _asked(found)


def choices(values: Sequence[str]) -> Callable[..., list[str]]:
    """Return what completes one of some words."""
    return _asked(lambda *_: list(values))


def _asked(candidates: Candidates) -> Callable[..., list[str]]:
    def complete(ctx: Any, incomplete: str) -> list[str]:
        try:
            found = candidates(ctx.params.get("repo"), ctx.params.get("env"), incomplete)
            return sorted({text for text in found if text.startswith(incomplete)})
        except Exception:  # of any kind: an error in the middle of a command line helps nobody, no offer does no harm
            return []

    from typer import Context

    complete.__annotations__ = {"ctx": Context, "incomplete": str}
    return complete


def _applied(*kinds: CatalogKind) -> Candidates:
    """Return the names of what is applied of some kinds; a feature behind its view, as `view:feature`."""

    def names(repo: Path | None, env: str | None, incomplete: str) -> list[str]:
        from featurectl.catalog.listing import ListRequest, list_objects
        from featurectl.workspace.open import find_root, open_workspace

        wanted = tuple(kind for kind in kinds if kind != "feature" or ":" in incomplete)
        with open_workspace(find_root(repo), env, None, "project file") as workspace:
            return [item.name for item in list_objects(workspace, ListRequest(kinds=wanted))]

    return names


def _environments(repo: Path | None, *_: object) -> list[str]:
    from featurectl.language.load import load_project_file
    from featurectl.workspace.open import find_root

    return list(load_project_file(find_root(repo)).environments)


def _codes(*_: object) -> list[str]:
    from featurectl.language.problems.codes import CODES

    return list(CODES)


def _kinds(*_: object) -> list[str]:
    from featurectl.catalog.objects import CATALOG_KINDS, SEVERAL

    return [SEVERAL[kind] for kind in CATALOG_KINDS]


def _templates(*_: object) -> list[str]:
    from featurectl.operations.init import NEXT

    return list(NEXT)


_COMPLETED: Final[Mapping[str, Candidates]] = {
    "view": _applied("view"),
    "views": _applied("view"),
    "model": _applied("model"),
    "first": _applied("model"),
    "second": _applied("model"),
    "name": _applied("view", "feature", "model", "source", "entity", "alert", "notifier"),
    "names": _applied("view", "model"),
    "uses": _applied("view", "feature"),
    "features": _applied("view", "feature"),
    "alert": _applied("alert"),
    "env": _environments,
    "code": _codes,
    "kind": _kinds,
    "template": _templates,
}
