"""What a shell completes: names of what is applied, environments, codes, forms of output.

It reads the registry as `list` does, and never says an error: whatever fails completes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from featurectl.catalog.objects import AppliedObjects, CatalogKind
    from featurectl.workspace.workspace import Workspace

_PATIENCE_S: Final = 2.0  # for a server that says nothing: a shell waits; time that this machine takes is not counted
_ALIASES: Final = ("champion", "challenger", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedWord:
    """What is written of a word, and the parameters that the line has already."""

    text: str
    parameters: Mapping[str, Any]

    @property
    def repo(self) -> Path | None:
        """The repository that the line names."""
        repo: Path | None = self.parameters.get("repo")
        return repo

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """Open the repository of the line; no file but featurectl.yaml is read."""
        from featurectl.workspace.open import find_root, open_workspace

        with open_workspace(find_root(self.repo), self.parameters.get("env"), None, "project file") as workspace:
            workspace.registry_wait_s = _PATIENCE_S
            yield workspace


Candidates = Callable[[UnfinishedWord], Sequence[str]]


def completer(name: str) -> Callable[..., list[str]] | None:
    """Return what completes a parameter of a command by its name; None: nothing does."""
    found = _COMPLETED.get(name)
    return None if found is None else _offering(found)


def choices(values: Sequence[str]) -> Callable[..., list[str]]:
    """Return what completes one of some words."""
    return _offering(lambda _: values)


def _offering(candidates: Candidates) -> Callable[..., list[str]]:
    def complete(ctx: Any, incomplete: str) -> list[str]:
        try:
            found = candidates(UnfinishedWord(text=incomplete, parameters=ctx.params))
            return sorted({text for text in found if text.startswith(incomplete)})
        except Exception:  # of any kind: an error in the middle of a command line helps nobody, no offer does no harm
            return []

    from typer import Context

    complete.__annotations__ = {"ctx": Context, "incomplete": str}
    return complete


def _applied(*kinds: CatalogKind) -> Candidates:
    """Return the names of what is applied of some kinds; a feature behind its view, as `view:feature`.

    Behind `@` those of the versions that there are: of views, and of their features.
    """

    def names(word: UnfinishedWord) -> list[str]:
        from featurectl.catalog.listing import ListRequest, list_objects
        from featurectl.catalog.objects import at_version, read_objects
        from featurectl.language.renaming import named_features

        label, colon, _ = word.text.partition(":")
        wanted = tuple(kind for kind in kinds if kind != "feature" or colon)
        with word.workspace() as workspace:
            if "@" not in label:
                return [item.name for item in list_objects(workspace, ListRequest(kinds=wanted))]
            objects = read_objects(workspace)
        if not colon:
            return _view_versions(objects, label)
        older, name = at_version(objects, label)
        return (
            [f"{label}:{item.current_name}" for item in named_features(older.views[name])] if "feature" in kinds else []
        )

    return names


def _view_versions(objects: AppliedObjects, text: str) -> list[str]:
    name = text.partition("@")[0]
    views = (item for item in objects.state.objects if (item.kind, item.name) == ("feature_view", name))
    return [f"{name}@{item.version}" for item in views]


def _models(word: UnfinishedWord) -> list[str]:
    """Return the names of models, behind `@` those of the versions that are not retired, and of their aliases."""
    return _model_versions(word) if "@" in word.text else list(_applied("model")(word))


def _model_versions(word: UnfinishedWord) -> list[str]:
    from featurectl.catalog.objects import read_objects

    with word.workspace() as workspace:
        state = read_objects(workspace).state
    numbers = [f"{item.model}@{item.version}" for item in state.model_versions if item.status != "retired"]
    return [*numbers, *(f"{model}@{alias}" for model, alias in state.aliases if alias in _ALIASES and "@" in word.text)]


def _older_views(word: UnfinishedWord) -> list[str]:
    """Return the versions of views that are not the newest, which is what may be removed."""
    from featurectl.catalog.objects import read_objects

    with word.workspace() as workspace:
        state = read_objects(workspace).state
    views = [item for item in state.objects if item.kind == "feature_view"]
    newest = {item.name: item.version for item in views if state.current("feature_view", item.name) == item}
    return [f"{item.name}@{item.version}" for item in views if newest.get(item.name) != item.version]


def _terms(word: UnfinishedWord) -> list[str]:
    """Return what `--select` chooses by: names, and behind `method:` its values, as far as the registry knows them."""
    from featurectl.catalog.listing import ListRequest, list_objects
    from featurectl.core.kinds import OBJECT_KINDS
    from featurectl.identity.selection import METHODS

    with word.workspace() as workspace:
        objects = list_objects(workspace, ListRequest())
    method, colon, _ = word.text.partition(":")
    if not colon:
        return [*(item.name for item in objects), *(f"{name}:" for name in METHODS)]
    values = {
        "kind": OBJECT_KINDS,
        "entity": [item.name for item in objects if item.kind == "entity"],
        "state": ["modified"],
        "tag": [tag for item in objects for tag in item.tags],
    }
    return [f"{method}:{value}" for value in values.get(method, ())]


def _keys(word: UnfinishedWord) -> list[str]:
    """Return `KEY=` for each key of the view that the line has no value of yet."""
    from featurectl.catalog.objects import read_objects

    label = word.parameters.get("view") or word.parameters.get("view_or_feature") or ""
    given = {text.partition("=")[0] for text in word.parameters.get("key") or ()}
    with word.workspace() as workspace:
        view = read_objects(workspace).views[re.split("[@:]", label)[0]]
    return [f"{name}=" for name in view.key_types if name not in given]


def _environments(word: UnfinishedWord) -> list[str]:
    from featurectl.language.project_file import load_project_file
    from featurectl.workspace.open import find_root

    return list(load_project_file(find_root(word.repo)).environments)


def _codes(_: UnfinishedWord) -> list[str]:
    from featurectl.language.problems.codes import CODES

    return list(CODES)


def _kinds(_: UnfinishedWord) -> list[str]:
    from featurectl.catalog.objects import CATALOG_KINDS, SEVERAL

    return [SEVERAL[kind] for kind in CATALOG_KINDS]


def _templates(_: UnfinishedWord) -> list[str]:
    from featurectl.operations.init import NEXT

    return list(NEXT)


_COMPLETED: Final[Mapping[str, Candidates]] = {
    "view": _applied("view"),
    "view_or_feature": _applied("view", "feature"),
    "key": _keys,
    "views": _applied("view"),
    "model": _models,
    "to": _environments,
    "remove": _older_views,
    "keys_from": _applied("view"),
    "select": _terms,
    "first": _model_versions,
    "second": _model_versions,
    "versions": _model_versions,
    "name": _applied("view", "feature", "model", "source", "entity", "pipeline", "deployment", "alert", "notifier"),
    "names": _applied("view", "model"),
    "uses": _applied("view", "feature"),
    "features": _applied("view", "feature"),
    "alert": _applied("alert"),
    "notifier": _applied("notifier"),
    "env": _environments,
    "code": _codes,
    "kind": _kinds,
    "template": _templates,
}
