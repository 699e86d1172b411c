"""Trained versions of models, as the registry has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurectl.core.errors import UsageError
from featurectl.models.artifact import read_artifact
from featurectl.registry.applied import choose_version, not_applied, split_name
from featurectl.registry.lineage import versions_using
from featurectl.registry.state import CHAMPION

if TYPE_CHECKING:
    from featurectl.registry.state import ModelVersion
    from featurectl.workspace.workspace import Workspace

Aliases = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedVersions:
    """Versions of models, those of one together and its newest first, and the aliases that name some of them."""

    versions: Sequence[ModelVersion]
    aliases: Aliases


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedVersion:
    """A version of a model, and the aliases that may name it."""

    version: ModelVersion
    aliases: Aliases


def find_versions(workspace: Workspace, model: str | None = None, uses: str | None = None) -> TrainedVersions:
    """Return the versions of every model, or of one; `uses`: those that read a view, a view version or a feature.

    Raises:
        UsageError: nothing of a name was ever applied.
        StoreError: the registry can't be read.
    """
    state = workspace.applied_state()
    found = state.model_versions if uses is None else versions_using(state, uses)
    if model is not None:
        if state.current("model", model) is None and all(item.model != model for item in state.model_versions):
            raise not_applied(state, "model", model)
        found = [item for item in found if item.model == model]
    return TrainedVersions(versions=sorted(found, key=lambda v: (v.model, -v.version)), aliases=state.aliases)


def find_version(workspace: Workspace, name: str, default: str = CHAMPION) -> NamedVersion:
    """Return a version by `MODEL@3` or `MODEL@champion`; a model's name alone means that of the alias `default`.

    Raises:
        UsageError: there is no such model, version or alias.
        StoreError: the registry can't be read.
    """
    state = workspace.applied_state()
    model, which = split_name(name, default)
    return NamedVersion(version=choose_version(state, model, which), aliases=state.aliases)


def read_card(workspace: Workspace, version: ModelVersion) -> str:
    """Return the card of a version.

    Raises:
        UsageError: it was registered before there were cards.
        DataError: FC512, the file is gone or is another.
    """
    if not version.card:
        raise UsageError(
            f"model {version.model} version {version.version} has no card",
            hint="it is older than the version of featurectl that writes them; a version that is trained now has one",
        )
    return read_artifact(workspace.offline_location(), version.card, version.card_sha256).decode()
