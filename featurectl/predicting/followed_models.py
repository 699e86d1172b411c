"""The models that predict the events of a source, as they are applied, trained and promoted: followed in a thread.

A change of the registry makes a new `PredictingModels`, loaded and proven by its golden rows, in the place of the one
before: who predicts takes it at the border of a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from featurectl.core.errors import FeaturectlError
from featurectl.language.definitions.json_form import load_model
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.stream import Stream
from featurectl.language.topic_places import is_same_place
from featurectl.online.client.pushed_versions import current_places, read_pushed
from featurectl.registry.applied import choose_usable
from featurectl.registry.state import CHAMPION, State
from featurectl.serving.process.source import WorkspaceSource
from featurectl.serving.project.canary import ServedCanary
from featurectl.serving.project.served_model import ServedModel
from featurectl.serving.project.served_project import ServedProject
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.online.base import OnlineStore
    from featurectl.online.stream_state.protocols import StreamState

FOLLOW_S: Final = 2.0
JUDGE_S: Final = 10.0
_LONGEST_WAIT_S: Final = 30.0  # before what could not be loaded is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictingModel:
    """A model that predicts events: its champion, its canary where one runs here, and why it can't be had.

    `model` None and no problem: no version was trained or promoted yet, so that nothing is predicted.
    """

    name: str
    on_events: OnEvents
    model: ServedModel | None = None
    canary: ServedCanary | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictingModels:
    """What predicts the events of a source at a moment, by name; `state` is of when it was looked at."""

    state: State
    models: Mapping[str, PredictingModel] = field(default_factory=dict)


class FollowedModels:
    """Follows the models of a source until it is closed; `say` hears what a person wants to know."""

    def __init__(self, workspace: Workspace, source: str, say: Callable[[str], None], *, allow_pickle: bool) -> None:
        self._workspace, self._name, self._say = workspace, source, say
        self._source = WorkspaceSource(workspace, allow_pickle=allow_pickle)
        self._ends = threading.Event()
        self._project: ServedProject | None = None
        self._judged_in_s = JUDGE_S
        self._again_in_s = self._wait_s = FOLLOW_S
        self._reported: dict[str, str] = {}
        self.current: PredictingModels | None = None  # None: not known yet
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name=f"models of {source}", daemon=True)

    def start(self) -> None:
        """Begin to follow. Where the registry says at once that no model predicts these events, that is known then."""
        try:
            state = self._source.state()
        except FeaturectlError as error:
            self._hear(error.message)
        else:
            if not _predicting(state, self._name):
                self.current = PredictingModels(state=state)
        self._thread.start()

    def close(self) -> None:
        """Follow no more; what is being loaded is left alone."""
        self._ends.set()

    def _run(self) -> None:
        while not self._ends.is_set():
            with (
                self._reporting_failures(),
                closing(self._workspace.stream_state()) as streams,
                closing(self._workspace.online_handle()) as store,
            ):
                self._follow(store, streams)
            self._ends.wait(FOLLOW_S)

    def _follow(self, store: OnlineStore, streams: StreamState) -> None:
        while not self._ends.is_set():
            with self._reporting_failures():
                self._look(store, streams)
                self.problem = ""
                self._reported.pop("models", None)
            self._ends.wait(FOLLOW_S)

    @contextmanager
    def _reporting_failures(self) -> Iterator[None]:
        """Report what fails, and go on: what was known stays."""
        try:
            yield
        except FeaturectlError as error:
            self._hear(error.message)
        except Exception as error:  # noqa: BLE001 (what models do as they are loaded)
            self._hear(repr(error))

    def _look(self, store: OnlineStore, streams: StreamState) -> None:
        state = self._source.state()
        wanted = _predicting(state, self._name)
        if not wanted:
            self._project, self.current = None, PredictingModels(state=state)
            return
        if self._is_to_load(state):
            env = self._workspace.environment.name
            pushed = read_pushed(store, lambda: streams, state, env, current_places(state))
            self._project = self._source.load(state, pushed, self._project, only=[*wanted])
        assert self._project is not None
        self._judge(state, wanted)
        models = {name: self._model(self._project, of) for name, of in wanted.items()}
        self._tell_changes(models)
        self.current = PredictingModels(state=state, models=models)

    def _is_to_load(self, state: State) -> bool:
        """Return whether models are loaded now: those that could not be are tried again, ever more seldom."""
        if self._project is None or state != self._project.catalog.state:
            self._again_in_s = self._wait_s = FOLLOW_S
            return True
        self._again_in_s -= FOLLOW_S
        if not self._project.failures or self._again_in_s > 0:
            return False
        self._again_in_s = self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        return True

    def _judge(self, state: State, wanted: Collection[str]) -> None:
        """Judge the canaries that run, now and then; the next look sees what that has changed."""
        assert self._project is not None
        self._judged_in_s -= FOLLOW_S
        running = [run for run in state.canaries if run.state == "running" and run.model in wanted]
        if self._judged_in_s > 0 or not running:
            return
        self._judged_in_s = JUDGE_S
        try:
            self._source.judge(self._project.failures)
        except FeaturectlError as error:
            self._tell("canaries", f"canaries are not judged: {error.message}")
        else:
            self._reported.pop("canaries", None)

    def _model(self, project: ServedProject, applied: Model) -> PredictingModel:
        name, said = applied.name, applied.on_events
        assert said is not None, "a model that predicts no events"
        if goes_to_own_topic(self._workspace, applied):
            why = f"predictions in topic {said.topic} would be events of its own source"
            return PredictingModel(name=name, on_events=said, problem=f"model {name} predicts nothing: {why}")
        number = project.catalog.state.aliases.get((name, CHAMPION))
        if number is None:
            return PredictingModel(name=name, on_events=said)
        canary = project.canaries.get(name)
        model = project.models.get((name, number))
        if model is None:
            try:
                choose_usable(project.catalog.state, name, CHAMPION)
                why = project.failures.get(f"{name}@{number}", "it is not loaded")
            except FeaturectlError as error:
                why = error.message
            return PredictingModel(name=name, on_events=said, problem=f"model {name}@{number} can't be had: {why}")
        return PredictingModel(name=name, on_events=said, model=model, canary=canary)

    def _tell_changes(self, models: Mapping[str, PredictingModel]) -> None:
        for name, of in models.items():
            if of.model is None:
                text = of.problem or f"model {name} has no champion: its events are not predicted"
            else:
                to = of.on_events.topic or of.on_events.path
                text = f"events are predicted by {of.model.label}, to {to}"
                if of.canary is not None:
                    text += f"; canary of {of.canary.challenger.label}, {of.canary.run.percent:g}% of the entities"
            self._tell(name, text)

    def _hear(self, why: str) -> None:
        self.problem = why
        self._tell("models", f"models are not followed: {why}")

    def _tell(self, of: str, text: str) -> None:
        if self._reported.get(of) != text:
            self._reported[of] = text
            self._say(text)


def goes_to_own_topic(workspace: Workspace, model: Model) -> bool:
    """Return whether predictions would be events of the source that they are of, as variables are set here."""
    said, source = model.on_events, model.spine.source
    if said is None or source.stream is None or said.topic != source.stream.topic:
        return False
    to = Source(name=model.name, format="stream", stream=Stream(topic=said.topic, url=said.url))
    try:
        return is_same_place(workspace.topic_url(to), workspace.topic_url(source))
    except FeaturectlError:  # a variable is not set, which whoever opens the topic says
        return False


def _predicting(state: State, source: str) -> Mapping[str, Model]:
    """Return the applied models that predict the events of a source, by name."""
    found = {}
    for item in state.objects:
        if item.kind == "model" and item.current and "on_events" in item.definition:
            model = load_model(item.definition)
            if model.on_events is not None and model.spine.source.name == source:
                found[item.name] = model
    return found
