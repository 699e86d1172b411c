"""A plan in a file: `plan --out` writes it, `apply PLAN` runs exactly that.

The file holds everything that apply needs but the addresses of the stores, which are the environment's: the changes as
they were reviewed, the stages with the definitions that they write, and the registry's id, serial and digest. Texts
with `${NAME}` stand in it as they stand in the files, so it holds no secret of the environment.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from featurectl.core.documents import parse_json
from featurectl.core.errors import UsageError
from featurectl.core.units import format_iso, parse_instant
from featurectl.language.definitions.fitting import fits
from featurectl.language.syntax.place import Place
from featurectl.plan.plan import AppliedCommit, Change, ChangeReason, Effort, Plan, Stage
from featurectl.registry.state import ObjectVersion

FORM: Final = 1
_STORED: Final = {"unsupported": "refused"}  # fields whose key in the file is another


def dump_plan(plan: Plan) -> str:
    """Return the text of a plan's file; the same plan gives the same text.

    Keys stay in their order: that of an entity's keys has a meaning.
    """
    document = {_STORED.get(name, name): value for name, value in asdict(plan).items()}
    body = json.dumps(document, ensure_ascii=False, default=_instant_text)
    head = {"featurectl_plan": FORM, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    return json.dumps(head | {"plan": json.loads(body)}, ensure_ascii=False, indent=1) + "\n"


def load_plan(text: str, name: str) -> Plan:
    """Return the plan of a file; `name` is what errors call it.

    Raises:
        UsageError: the text is no plan, one of another form, or was damaged after it was written.
    """
    hint = "featurectl plan --out FILE writes one"
    try:
        document = parse_json(text)
        form, digest, body = document["featurectl_plan"], document["sha256"], document["plan"]
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{name} is no saved plan", hint=hint) from None
    if form != FORM:
        form = str(form)[:20]
        raise UsageError(f"{name} is a plan of form {form}; this version reads form {FORM}", hint=hint)
    plain = json.dumps(body, ensure_ascii=False)
    if hashlib.sha256(plain.encode()).hexdigest() != digest:
        raise UsageError(f"{name} was changed after it was made", hint=hint)
    try:
        plan = _plan(body)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"{name} is no saved plan: {str(error)[:200]}", hint=hint) from error
    if not fits(plan):
        raise UsageError(f"{name} is no saved plan: a value is of another type", hint=hint)
    return plan


def _plan(body: dict[str, Any]) -> Plan:
    known = {field.name: body[field.name] for field in fields(Plan) if field.name in body}
    return Plan(
        **known
        | {
            "changes": tuple(_change(change) for change in body["changes"]),
            "stages": tuple(_stage(stage) for stage in body["stages"]),
            "selected": tuple(body["selected"]),
            "unsupported": tuple(body.get("refused", ())),  # plans may be older than it
            "applied": _applied(body["applied"]) if body.get("applied") else None,
        }
    )


def _applied(body: dict[str, Any]) -> AppliedCommit:
    return AppliedCommit(**body | {"at": parse_instant(body["at"])})


def _change(body: dict[str, Any]) -> Change:
    return Change(
        **body
        | {
            "reasons": tuple(_reason(reason) for reason in body["reasons"]),
            "notes": tuple(body["notes"]),
            "effort": _effort(body["effort"]) if body["effort"] else None,
        }
    )


def _reason(body: dict[str, Any]) -> ChangeReason:
    place = Place(**body["place"]) if body["place"] else None
    return ChangeReason(**body | {"features": tuple(body["features"]), "place": place})


def _effort(body: dict[str, Any]) -> Effort:
    return Effort(**body | {name: parse_instant(body[name]) if body[name] else None for name in ("since", "until")})


def _stage(body: dict[str, Any]) -> Stage:
    item = body["item"]
    return Stage(**body | {"item": _item(item) if item else None})


def _item(body: dict[str, Any]) -> ObjectVersion:
    applied_at = parse_instant(body["applied_at"]) if body["applied_at"] else None
    return ObjectVersion(**body | {"applied_at": applied_at})


def _instant_text(value: object) -> str:
    assert isinstance(value, datetime), f"no JSON for {value!r}"
    return format_iso(value)
