"""Feature views, as they are declared: names looked up, durations parsed, expressions typed, `"*"` expanded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from featurectl.expressions.tree import Expression
from featurectl.language.definitions.about import NOTHING_SAID, About, Freshness
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import Check, NamedExpression, Source

Closed = Literal["left", "right", "both", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One stored feature of a view.

    A state feature: `op` is "latest", `column` the table column that it reads. An aggregate: `op` is one of the
    language's aggregates over `column` (None: rows are counted) in `[t - offset - window, t - offset)`;
    `window_us` None means lifetime. `column` names a column of the view's offline table (`FeatureView.inputs`).
    `dtype` is None while the types of the source are not known. `freshness` is its own SLA (None: the view's).
    Its values are stored under `name`; `renamed_to` is what it is called since ("": so still), `aliases` what it was
    called before and answers to.
    """

    name: str
    op: str
    column: str | None
    dtype: str | None
    window_us: int | None = None
    offset_us: int = 0
    n: int | None = None
    q: float | None = None
    default: bool | int | float | str | None = None
    fill_last: bool = False
    freshness: Freshness | None = None
    description: str = ""
    renamed_to: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def current_name(self) -> str:
        """What it is called now."""
        return self.renamed_to or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A row-level feature over others, computed when read; `asof` is the row's time t. Names and SLA: as `Feature`."""

    name: str
    expression: Expression
    dtype: str | None
    default: bool | int | float | str | None = None
    freshness: Freshness | None = None
    description: str = ""
    renamed_to: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def current_name(self) -> str:
        """What it is called now."""
        return self.renamed_to or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Transform:
    """A Python function that makes a view's rows: its file, relative to the repository, and the file's text.

    It takes the view's source and then `others`, one argument each. `lookback_us` is how far back a new row's answer
    can look; None: it needs the whole source.
    """

    path: str
    function: str
    text: str
    lookback_us: int | None = None
    others: tuple[Source, ...] = ()


@dataclass(frozen=True, kw_only=True)  # without slots: there would be no room for what is looked up again and again
class FeatureView:
    """A named group of features of one entity from one source.

    kind "event": aggregates over windows; "state": the latest row; "transform": a Python function's output, read
    as a state view. `inputs` are the columns that the offline table keeps besides keys and times, in order, by
    expressions over the source's columns and its `select` (an aggregate's own `where` is folded into its input:
    the value where it is true, else null). `join` maps every entity key to a source column.
    """

    name: str
    kind: Literal["event", "state", "transform"]
    entity: Entity | None
    source: Source
    join: Mapping[str, str]
    where: Expression | None
    inputs: tuple[NamedExpression, ...]
    features: tuple[Feature, ...]
    derived: tuple[Derived, ...] = ()
    transform: Transform | None = None
    ttl_us: int | None = None
    closed: Closed = "left"
    hop_us: int | None = None
    online: bool = True
    refresh_us: int | None = None
    retention_us: int | None = None
    freshness: Freshness | None = None
    checks: tuple[Check, ...] = ()
    about: About = NOTHING_SAID

    @property
    def is_pushed(self) -> bool:
        """True where a push brings its values into the online store; those of a stream are kept there by workers."""
        return self.online and not self.source.is_stream

    @property
    def keys(self) -> tuple[str, ...]:
        """The entity's key names in order; empty for a view without an entity."""
        return tuple(self.key_types)

    @property
    def key_types(self) -> Mapping[str, str]:
        """The entity's keys and their types, in order; empty for a view without an entity."""
        return self.entity.keys if self.entity else {}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of its source, `select` included, that hold the keys; a transform's function makes its own."""
        return () if self.transform is not None else tuple(self.join.get(key, key) for key in self.keys)

    @property
    def delay_us(self) -> int | None:
        """How long after its event time every row is available; None where rows say that themselves."""
        if self.transform is not None or self.source.available_at is not None or self.source.is_stream:
            return None
        return self.source.delay_us or 0

    @property
    def own_freshness(self) -> Mapping[str, Freshness]:
        """The SLAs of the features that have one of their own, by their current names, in their order."""
        described: list[Feature | Derived] = [*self.features, *self.derived]
        return {item.current_name: item.freshness for item in described if item.freshness is not None}

    @property
    def current_types(self) -> Mapping[str, str | None]:
        """The types of the features, by their current names, in their order."""
        described: list[Feature | Derived] = [*self.features, *self.derived]
        return {item.current_name: item.dtype for item in described}

    def dtype_of(self, feature: str) -> str | None:
        """Return the type of a stored or derived feature; KeyError when the view has none of that name."""
        return self._types[feature]

    @cached_property
    def _types(self) -> Mapping[str, str | None]:
        return {f.name: f.dtype for f in self.features} | {d.name: d.dtype for d in self.derived}
