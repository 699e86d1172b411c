"""What a server serves at a moment: the registered project, its models loaded and proven. A change makes a new one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from featurectl.errors import FeaturectlError, UsageError
from featurectl.models.served import ServedRuntime, check_golden, load_served
from featurectl.online.catalog import Catalog
from featurectl.online.inputs import InputReader
from featurectl.registry.applied import choose_version
from featurectl.registry.state import ModelVersion

ALIASES = ("champion", "challenger")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A model version ready to score: how its inputs are read, and what scores them."""

    version: ModelVersion
    reader: InputReader
    runtime: ServedRuntime

    @property
    def label(self) -> str:
        """`model@version`."""
        return f"{self.version.model}@{self.version.version}"


@dataclass(slots=True, kw_only=True)
class Served:
    """A project as it is served: `models` by (name, version), `failures` by what could not be loaded, and why."""

    catalog: Catalog
    load: Callable[[ModelVersion], ServedModel]
    models: dict[tuple[str, int], ServedModel] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        """Return the names of the models that have a version."""
        return sorted({version.model for version in self.catalog.state.model_versions})

    def find(self, model: str, which: str) -> ServedModel | None:
        """Return a version that is loaded, by number or alias; None when it has to be loaded first.

        Raises:
            UsageError: there is no such model or version.
        """
        version = choose_version(self.catalog.state, model, which)
        return self.models.get((model, version.version))

    def fetch(self, model: str, which: str) -> ServedModel:
        """Return a version by number or alias, loaded now if it was not; takes as long as that takes.

        Raises:
            UsageError: there is no such model or version.
            DataError: it can't be loaded, or does not reproduce its golden rows.
        """
        version = choose_version(self.catalog.state, model, which)
        with self._lock:
            place = (model, version.version)
            if place not in self.models:
                self.models[place] = self.load(version)
            return self.models[place]


def build_served(
    catalog: Catalog, location: str, before: Served | None = None, *, allow_pickle: bool = False
) -> Served:
    """Return a project ready to be served: the versions with an alias are loaded, those loaded `before` are kept.

    A model that can't be loaded is told in `failures`; the others are served.
    """

    def load(version: ModelVersion) -> ServedModel:
        runtime = load_served(version, location, allow_pickle=allow_pickle)
        check_golden(runtime, location)
        return ServedModel(version=version, reader=catalog.model_reader(version), runtime=runtime)

    served = Served(catalog=catalog, load=load)
    for (model, alias), number in sorted(catalog.state.aliases.items()):
        if alias not in ALIASES or (model, number) in served.models:
            continue
        version = catalog.state.model_version(model, number)
        known = before.models.get((model, number)) if before else None
        try:
            if version is None:
                raise UsageError(f"model {model} has no version {number}")
            served.models[model, number] = known if known and known.version == version else load(version)
        except FeaturectlError as error:
            served.failures[f"{model}@{number}"] = error.message
    return served
