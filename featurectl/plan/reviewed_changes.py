"""What a review allows of a plan: each change by a digest of what it does, so that no other change is let through."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from featurectl.core.units import format_iso
from featurectl.plan.allowed_removals import kind_and_name
from featurectl.plan.plan import Change, Plan

_DIGITS: Final = 20  # of a digest: what a mistake does not hit, and a person can compare
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")
_HEAD: Final = """\
# Breaking changes and removals that a review has allowed: `featurectl apply --allow` does these and no others.
# `featurectl plan --write-allow` adds what a plan waits for. The digest is of the change: a change that is any
# different waits again, and what is done already stays of no effect, until the next --write-allow leaves it out.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One change that may be applied in an environment: of a view, or `kind:name` of an object that goes."""

    environment: str
    what: Literal["breaking", "remove"]
    name: str
    digest: str


def needed_allowances(plan: Plan) -> tuple[Allowance, ...]:
    """Return what the blocked changes of a plan wait for."""
    return tuple(_allowance(plan, change) for change in plan.blocked if change.allow)


def allowed_options(plan: Plan, allowed: Collection[Allowance]) -> list[str]:
    """Return the options that the allowances stand for in a plan; those of other changes stand for none."""
    return [change.allow for change in plan.blocked if change.allow and _allowance(plan, change) in allowed]


def merged_allowances(before: Iterable[Allowance], plan: Plan) -> tuple[Allowance, ...]:
    """Return the allowances with those that a plan needs; of its environment, those that it has no use for are gone."""
    every = [_allowance(plan, change) for change in plan.changes if change.allow]
    kept = [item for item in before if item.environment != plan.environment or item in every]
    return tuple(dict.fromkeys([*kept, *needed_allowances(plan)]))


def dump_allowances(allowed: Sequence[Allowance]) -> str:
    """Return the text of a file of allowances."""
    if not allowed:
        return f"{_HEAD}allow: []\n"
    return f"{_HEAD}allow:\n" + "".join(f"  - {allowance_line(item)}\n" for item in allowed)


def allowance_line(item: Allowance) -> str:
    """Return an allowance as its file has it, in YAML."""
    pairs = {"environment": item.environment, item.what: item.name}
    first = ", ".join(f"{key}: {_scalar(value)}" for key, value in pairs.items())
    return f'{{{first}, digest: "{item.digest}"}}'


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _allowance(plan: Plan, change: Change) -> Allowance:
    removed = change.kind == "removed"
    name = kind_and_name((change.object, change.name)) if removed else change.name
    what: Literal["breaking", "remove"] = "remove" if removed else "breaking"
    return Allowance(environment=plan.environment, what=what, name=name, digest=_digest(plan, change))


def _digest(plan: Plan, change: Change) -> str:
    """Return a digest of what a change does: of no serial and no commit, which move when others merge theirs."""
    stages = [s for s in plan.stages if s.action != "create" and s.object == (change.object, change.name) and s.item]
    reasons = [(r.sign, r.field, r.old, r.new, sorted(r.features)) for r in change.reasons]
    versions = [change.old_version, change.new_version]
    items = [(stage.action, asdict(stage.item)) for stage in stages if stage.item]
    about = [plan.project, plan.environment, change.kind, change.object, change.name, versions, reasons, items]
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=format_iso).encode()).hexdigest()[:_DIGITS]
