"""Models, as they are declared: spine, label, inputs and trainer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import NOTHING_SAID, About
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.gates import Canary, Gates
from featurectl.language.definitions.on_events import OnEvents
from featurectl.language.definitions.source import Source

MissingPolicy = Literal["use", "warn", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What the model predicts. By expression over the spine's row, or (`horizon_us`) an aggregate over [t, t+h)."""

    name: str
    expression: Expression | None  # None: the spine column of that name
    dtype: str | None
    entity: Entity | None = None
    source: Source | None = None
    op: str | None = None
    column: str | None = None
    where: Expression | None = None
    horizon_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """The moments at which a model is asked: rows of a source, at the column `time`.

    `known_at` is the column of when the answer is made, or `AVAILABLE`: when the row itself became available. What was
    available by then counts; None: what was at `time`.
    """

    source: Source
    time: str
    where: Expression | None = None
    label: Label | None = None
    known_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureInput:
    """A column of the training set that comes from a view; `join` maps each entity key to a spine column.

    `model_dtype` is the type or "category"; `categories` None means those of the training set.
    """

    name: str
    view: str
    feature: str
    join: Mapping[str, str]
    dtype: str | None
    model_dtype: str | None
    default: bool | int | float | str | None = None
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestInput:
    """A column that the caller brings: a spine column in training, part of the request online."""

    name: str
    dtype: str
    model_dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedInput:
    """A row-level column over request columns and features of the model."""

    name: str
    expression: Expression
    dtype: str | None
    default: bool | int | float | str | None = None


ModelInput = FeatureInput | RequestInput | DerivedInput


def views_read(inputs: Iterable[ModelInput]) -> list[str]:
    """Return the names of the views that some inputs read, each once, in order."""
    return list(dict.fromkeys(item.view for item in inputs if isinstance(item, FeatureInput)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainer:
    """How a model is made: an importable estimator, or a command (`run`).

    It is judged on the last `split_fraction` of the spine's rows by time, or on all rows of `validation_source`.
    """

    estimator: str | None = None
    run: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    split_fraction: float = 0.25
    validation_source: Source | None = None
    sample: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model bound to features: `inputs` are its columns in order, the columns of the model's matrix."""

    name: str
    spine: Spine
    inputs: tuple[ModelInput, ...]
    trainer: Trainer | None = None
    output_name: str = "score"
    output_dtype: str | None = None
    allow_pickle: bool = False
    missing_no_row: MissingPolicy = "use"
    missing_stale: MissingPolicy = "use"
    missing_max_age_us: int | None = None
    gates: Gates | None = None
    canary: Canary | None = None
    on_events: OnEvents | None = None
    about: About = NOTHING_SAID
