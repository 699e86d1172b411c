"""What the files want registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from featurectl.fingerprint import (
    Registrable,
    data_fingerprint,
    feature_fingerprints,
    metadata_fingerprint,
)
from featurectl.registry.state import Json, Kind, ObjectVersion
from featurectl.spec.definition import Entity, FeatureView, Model, Source
from featurectl.spec.definition_json import dump_definition
from featurectl.spec.repo import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """An object of the files, ready to be compared with what is registered and to be registered itself."""

    kind: Kind
    name: str
    spec: Registrable
    definition: Json

    def version(self, number: int) -> ObjectVersion:
        """Return the object as a version to register."""
        return ObjectVersion(
            kind=self.kind,
            name=self.name,
            version=number,
            definition=self.definition,
            features=feature_fingerprints(self.spec) if isinstance(self.spec, FeatureView) else {},
            data=data_fingerprint(self.spec),
            metadata=metadata_fingerprint(self.spec),
        )


def wanted_objects(repo: Repo) -> tuple[Wanted, ...]:
    """Return every object of a repository that a registry keeps: entities, sources, views, models."""
    specs: list[Registrable] = [
        *repo.entities.values(),
        *repo.sources.values(),
        *repo.views.values(),
        *repo.models.values(),
    ]
    return tuple(
        Wanted(kind=kind_of(spec), name=spec.name, spec=spec, definition=dump_definition(spec)) for spec in specs
    )


def kind_of(spec: Registrable) -> Kind:
    """Return the kind that an object is registered as."""
    match spec:
        case Entity():
            return "entity"
        case Source():
            return "source"
        case FeatureView():
            return "feature_view"
        case Model():
            return "model"
        case _:
            assert_never(spec)
