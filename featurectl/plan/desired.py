"""What the files want registered."""

from __future__ import annotations

from dataclasses import dataclass

from featurectl.core.kinds import ObjectKind
from featurectl.identity.fingerprint import Fingerprints, fingerprints
from featurectl.identity.registered_kinds import Registrable, kind_of
from featurectl.language.definitions.json_form import dump_definition
from featurectl.language.repo import Repo
from featurectl.registry.state import Json, ObjectVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredObject:
    """An object of the files, ready to be compared with what is registered and to be registered itself."""

    kind: ObjectKind
    name: str
    spec: Registrable
    definition: Json
    fingerprints: Fingerprints

    def version(self, number: int) -> ObjectVersion:
        """Return the object as a version to register."""
        return ObjectVersion(
            kind=self.kind,
            name=self.name,
            version=number,
            definition=self.definition,
            features=self.fingerprints.features,
            data=self.fingerprints.data,
            metadata=self.fingerprints.metadata,
        )


def desired_objects(repo: Repo) -> tuple[DesiredObject, ...]:
    """Return every object of a repository that a registry keeps: all but its feature tests."""
    return tuple(map(desired_object, registrables(repo)))


def registrables(repo: Repo) -> list[Registrable]:
    """Return what `desired_objects` makes ready, in the same order."""
    data: list[Registrable] = [*repo.entities.values(), *repo.sources.values(), *repo.views.values()]
    operations: list[Registrable] = [*repo.pipelines.values(), *repo.deployments.values()]
    return [*data, *repo.models.values(), *operations, *repo.alerts.values(), *repo.notifiers.values()]


def desired_object(spec: Registrable) -> DesiredObject:
    """Return an object as it is desired."""
    return DesiredObject(
        kind=kind_of(spec),
        name=spec.name,
        spec=spec,
        definition=dump_definition(spec),
        fingerprints=fingerprints(spec),
    )
