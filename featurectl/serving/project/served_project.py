"""What a server serves at a moment: the registered project, its models loaded and proven. A change makes a new one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Final

from featurectl.core.errors import FeaturectlError, StoreError
from featurectl.models.pickle_policy import PicklePolicy, check_pickle_allowed
from featurectl.models.served_model import check_golden, load_served
from featurectl.online.client.project_schema import ProjectSchema
from featurectl.online.client.read_view import ReadView
from featurectl.registry.applied import check_views_kept, choose_usable, not_applied
from featurectl.registry.state import ModelVersion, State
from featurectl.serving.project.canary import Canaries
from featurectl.serving.project.served_model import ServedModel

ALIASES = ("champion", "challenger")
MOST_NAMED: Final = 8  # versions without an alias that a process keeps loaded, for who names them


@dataclass(slots=True, kw_only=True)
class ServedProject:
    """A project as it is served: `models` by (name, version), `failures` by what could not be loaded, and why.

    Both are replaced as a whole, for a request loads a version in a thread while others look at them.
    `unreached` are the versions whose files could not be reached: they may be by now. `canaries` are those that run
    here, by model.
    """

    catalog: ProjectSchema
    load: Callable[[ModelVersion], ServedModel]
    models: dict[tuple[str, int], ServedModel] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    unreached: set[tuple[str, int]] = field(default_factory=set)
    canaries: Canaries = field(default_factory=dict)
    _named: list[tuple[str, int]] = field(default_factory=list)  # loaded as a request named them, the latest last
    _chosen: dict[tuple[str, str], int] = field(default_factory=dict)  # by model and number or alias
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def names(self) -> list[str]:
        """Return the names of the models that have a version."""
        state = self.catalog.state
        known = {version.model for version in state.model_versions}
        return sorted(model for model in known if state.current("model", model) is not None)

    def read_views(self) -> list[ReadView]:
        """Return the views that are read by their names, and those that the loaded models are bound to, each once."""
        views = {view.field: view for view in self.catalog.views()}
        for model in self.models.values():
            views |= {view.field: view for view in model.reader.features.views}
        return [views[field] for field in sorted(views)]

    def find(self, model: str, which: str) -> ServedModel | None:
        """Return a version that is loaded, by number or alias; None when it has to be loaded first.

        Raises:
            UsageError: there is no such model or version.
        """
        number = self._chosen.get((model, which))
        if number is None:
            if self.catalog.state.current("model", model) is None:
                raise not_applied(self.catalog.state, "model", model)
            number = self._chosen[model, which] = choose_usable(self.catalog.state, model, which).version
        return self.models.get((model, number))

    def fetch(self, model: str, which: str) -> ServedModel | str:
        """Return a version by number or alias, loaded now if it was not, or why it can't be served.

        It takes as long as that takes.
        """
        version = choose_usable(self.catalog.state, model, which)
        with self._lock:
            place = (model, version.version)
            found = self.models[place] if place in self.models else self.try_load(version)
            if isinstance(found, ServedModel):
                self._keep(place, found)
                self.failures = {label: why for label, why in self.failures.items() if label != found.label}
            return found

    def _keep(self, place: tuple[str, int], found: ServedModel) -> None:
        """Keep a version that was loaded; of those without an alias the few that were loaded last.

        Others look at the models meanwhile: they have those of before, or those of now.
        """
        if place in self.models:
            return
        models = {**self.models, place: found}
        if not any(self.catalog.state.aliases.get((place[0], alias)) == place[1] for alias in ALIASES):
            self._named.append(place)
        while len(self._named) > MOST_NAMED:
            models.pop(self._named.pop(0), None)
        self.models = models

    def try_load(self, version: ModelVersion) -> ServedModel | str:
        """Return a version loaded and proven, or why it can't be served, and what mends that."""
        place = (version.model, version.version)
        self.unreached.discard(place)
        try:
            return self.load(version)
        except FeaturectlError as error:
            if isinstance(error, StoreError):
                self.unreached.add(place)
            return f"{error.message}; {error.hint}" if error.hint else error.message
        except Exception as error:  # noqa: BLE001 (libraries and models run code of their own: others are served)
            return f"model {version.model} version {version.version} can't be loaded: {error!r}"

    def reach_again(self) -> bool:
        """Try to load what could not be reached, and return whether anything was."""
        with self._lock:
            again = sorted(self.unreached)
        found = [self.fetch(model, str(number)) for model, number in again]
        return any(isinstance(one, ServedModel) for one in found)


def build_served(
    catalog: ProjectSchema,
    location: str,
    policy: PicklePolicy,
    before: ServedProject | None = None,
    only: Collection[str] | None = None,
) -> ServedProject:
    """Return a project ready to be served: the versions with an alias are loaded, those loaded `before` are kept.

    `only`: those of these models alone.

    How the inputs of a model are read is looked up anew each time: a version whose features are others by now is not
    served any more.

    A model that can't be loaded is named in `failures`; the others are served.
    """
    loaded = dict(before.models) if before else {}  # not `before` itself, which would hold all that was before it

    def load(version: ModelVersion) -> ServedModel:
        if not version.onnx:
            check_pickle_allowed(version, policy)  # of one that is loaded, too
        reader = catalog.model_reader(version)
        check_views_kept(version, catalog.state, "served")
        known = loaded.get((version.model, version.version))
        if known and known.version == version:
            return replace(known, reader=reader)
        runtime = load_served(version, location, policy)
        check_golden(runtime, location)
        return ServedModel(version=version, reader=reader, runtime=runtime)

    served = ServedProject(catalog=catalog, load=load)
    for version in _with_alias(catalog.state, only):
        place = (version.model, version.version)
        found = served.try_load(version)
        if isinstance(found, ServedModel):
            served.models[place] = found
        else:
            served.failures[f"{version.model}@{version.version}"] = found
    return served


def _with_alias(state: State, only: Collection[str] | None) -> list[ModelVersion]:
    """Return the versions with an alias that are served, each once; `only`: of these models alone."""
    found: dict[tuple[str, int], ModelVersion] = {}
    for (model, alias), number in sorted(state.aliases.items()):
        version = state.model_version(model, number)
        if alias not in ALIASES or version is None or (only is not None and model not in only):
            continue
        if state.current("model", model) is not None:
            found[model, number] = version
    return [*found.values()]
