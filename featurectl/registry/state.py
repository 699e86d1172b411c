"""What a registry holds of one project: pure data, with the whole definition of every version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from featurectl.core.erasures import NOTHING_ERASED, Erasures
from featurectl.core.kinds import ObjectKind
from featurectl.core.units import format_iso

if TYPE_CHECKING:  # a server loads no language
    from featurectl.language.definitions.gates import CanarySuccess

Json = Mapping[str, object]
# Aliases: what is asked by default, what may take over, and the champion before, to which a rollback returns.
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
# What became of a version: "rejected" by a gate, until an alias names it all the same; "retired" by somebody: nothing
# is bound to it or asks it any more.
ModelStatus = Literal["registered", "rejected", "retired"]
CanaryState = Literal["running", "promoted", "rolled_back", "aborted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of a registered object; only feature views have more than one.

    `definition` is what `language.definitions.json_form` reads back. `features` maps each feature to its data
    fingerprint (empty but for views); `data` and `metadata` are the fingerprints of the whole object. `applied_at` is
    when the version became current: a change of metadata leaves it.
    """

    kind: ObjectKind
    name: str
    version: int
    definition: Json
    features: Mapping[str, str] = field(default_factory=dict)
    data: str = ""
    metadata: str = ""
    applied_at: datetime | None = None
    current: bool = True  # False: an old version that a model version is still bound to, or a removed object


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundFeature:
    """A column of a model's matrix, fixed when it was trained. `view` is empty for request and derived columns.

    `fingerprint` is of everything that its values depend on; "" in versions of before there was one.
    """

    name: str
    dtype: str
    model_dtype: str
    view: str = ""
    view_version: int = 0
    feature: str = ""
    default: bool | int | float | str | None = None
    categories: tuple[str, ...] | None = None  # of a category, in the order of their codes
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What a gate asked of a version, as text, and what was measured; `passed` None: it could not be measured."""

    name: str
    asked: str
    measured: str
    passed: bool | None = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A trained model: what it was made of and where it lies.

    `definition` is the model's definition at training time (in its JSON form), `table_versions` maps "view@version"
    to the version of its offline table, `artifact` is relative to the environment's offline location, and so are
    `onnx` and `golden`: the model for serving ("" where there is none, and `onnx_missing` says why) and rows that it
    was trained on with their scores. Versions of before there were these have neither. `gates` is what was measured
    when it was registered; `importance` the share of each input in its work; `card` its model card (markdown), beside
    the artifact; `manifest` that of its training set, without data; `judged` the rows that it was judged on ("": none);
    `profile` what its inputs and scores were like ("": none, as of one that was imported). `origin` says of which
    version of which environment and registry it is a copy (empty: of none). `left_out` counts the rows of its training
    set that it neither learned from nor was judged on, by reason (empty: nobody has counted them). `run_id` says which
    run of a pipeline, or of a scheduler, has registered it ("": none).
    """

    model: str
    version: int
    definition: Json
    inputs: tuple[BoundFeature, ...]
    view_versions: Mapping[str, int]
    table_versions: Mapping[str, int]
    params: Json
    metrics: Mapping[str, float]
    label: str
    rows_train: int
    rows_validation: int
    artifact: str
    artifact_format: str
    artifact_bytes: int
    artifact_sha256: str
    libraries: Mapping[str, str]
    code_commit: str
    seed: int
    created_at: datetime
    status: ModelStatus = "registered"
    onnx: str = ""
    onnx_bytes: int = 0
    onnx_sha256: str = ""
    onnx_missing: str = ""
    golden: str = ""
    golden_sha256: str = ""
    gates: tuple[GateResult, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    card: str = ""
    card_sha256: str = ""
    manifest: Json = field(default_factory=dict)
    judged: str = ""
    judged_sha256: str = ""
    profile: str = ""
    profile_sha256: str = ""
    origin: Json = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryRun:
    """A challenger that is or was tried beside the champion; `number` counts those of a model from 1.

    `percent` of the entities are answered by the challenger, 0: none, it scores in the shadow. `environment` is the
    one that serves it, whose prediction log it is judged by. `figures` and `reason` are those of its end.
    """

    model: str
    number: int
    champion: int
    challenger: int
    environment: str
    percent: float
    for_us: int
    min_requests: int | None
    success: CanarySuccess
    started_at: datetime
    state: CanaryState = "running"
    decided_at: datetime | None = None
    reason: str = ""
    figures: Json = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)  # without slots: there would be no room for what is looked up again and again
class State:
    """A project as the registry knows it. `serial` grows by one with each change of it."""

    project: str
    registry_id: str
    serial: int
    objects: tuple[ObjectVersion, ...] = ()
    model_versions: tuple[ModelVersion, ...] = ()
    aliases: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (model, "champion") -> version
    canaries: tuple[CanaryRun, ...] = ()  # by model and number
    erasures: Erasures = NOTHING_ERASED

    def digest(self) -> str:
        """Return the SHA-256 of all but the registry's id, in hexadecimal.

        The order of rows does not count; that of keys inside a definition does: an entity's keys have one.
        """
        rows = [*map(_encode, self.objects), *map(_encode, self.model_versions)]
        rows += [_encode([*key, version]) for key, version in self.aliases.items()]
        rows += map(_encode, self.canaries)
        return hashlib.sha256(_encode([self.project, self.serial, *sorted(rows)]).encode()).hexdigest()

    def current(self, kind: ObjectKind, name: str) -> ObjectVersion | None:
        """Return the newest version of an object that is not removed, or None."""
        return self._newest.get((kind, name))

    @cached_property
    def _newest(self) -> Mapping[tuple[ObjectKind, str], ObjectVersion]:
        return {(o.kind, o.name): o for o in sorted(self.objects, key=lambda o: o.version) if o.current}

    def view(self, name: str, version: int) -> ObjectVersion | None:
        """Return one version of a feature view, or None."""
        for item in self.objects:
            if item.kind == "feature_view" and item.name == name and item.version == version:
                return item
        return None

    def running_canary(self, model: str) -> CanaryRun | None:
        """Return the canary of a model that is under way, or None."""
        return next((run for run in self.canaries if run.model == model and run.state == "running"), None)

    def model_version(self, model: str, version: int) -> ModelVersion | None:
        """Return one version of a model, or None."""
        for item in self.model_versions:
            if item.model == model and item.version == version:
                return item
        return None


def _plain(value: Any) -> object:
    if isinstance(value, datetime):
        return format_iso(value)
    return {field.name: getattr(value, field.name) for field in fields(value)}


_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
