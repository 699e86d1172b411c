"""What was observed of one subject of an alert, and whether the alert's condition holds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from featurectl.language.definitions.alerts import Condition, Operator

_OPERATORS: Final[Mapping[Operator, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCause:
    """What stands behind a value that several subjects may have by it: "source:NAME", say, and why in words."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at one subject: "view:NAME@V", "view:NAME@V:FEATURE", "model:NAME", "model:NAME:FEATURE" or "store:ENV".

    Runs are of a "pipeline:NAME", too.
    `value` is in the metric's unit, and so is `limit`, its own SLA's bound where a condition names one; None: there was
    nothing to measure, or it could not be (`error` says why; then `unreachable` is whether a store is gone). `cause`
    says what stands behind the value, and `root_causes` by name (none: its view, model or store itself). `fault` is one
    of ours in measuring it, for whoever looks for the reason: its text may hold anything, and is sent to nobody.
    """

    subject: str
    value: float | None = None
    limit: float | None = None
    cause: str = ""
    root_causes: tuple[RootCause, ...] = ()
    error: str = ""
    unreachable: bool = False
    fault: Exception | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was observed for one alert; `watched` are the subjects that it is about, whatever was found of them.

    A feature's subject is below that of its model: it is watched when the model is.
    """

    observations: Sequence[Observation]
    watched: frozenset[str] = field(default_factory=frozenset)


def holds(condition: Condition, observation: Observation) -> bool | None:
    """Return whether a condition holds; None when that is not known: nothing was, or could be, measured.

    >>> condition = Condition(metric="psi", op=">", value=0.2)
    >>> [holds(condition, Observation(subject="model:m", value=value)) for value in (0.3, 0.2, None)]
    [True, False, None]
    """
    limit = condition.value if condition.bound is None else observation.limit
    if observation.error or observation.value is None or limit is None:
        return None
    return _OPERATORS[condition.op](observation.value, limit)


def root_causes_of(observation: Observation) -> tuple[RootCause, ...]:
    """Return by which causes a subject is as it is: where nobody has found one, by the view or model itself."""
    return observation.root_causes or (RootCause(name=root_of(observation.subject), text=observation.cause),)


def root_of(subject: str) -> str:
    """Return what a subject belongs to: of a feature its model or its view.

    >>> root_of("model:late:origin:1"), root_of("view:delays@2"), root_of("view:delays@2:n_1d")
    ('model:late', 'view:delays@2', 'view:delays@2')
    """
    return ":".join(subject.split(":", 2)[:2])
