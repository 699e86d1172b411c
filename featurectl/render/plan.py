"""A plan's JSON as text for people and as Markdown for a pull request. The same JSON gives the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from featurectl.core.commits import shown_commit
from featurectl.core.kinds import WORDS
from featurectl.core.markdown import code, prose
from featurectl.core.units import counted, format_bytes, parse_instant, plural
from featurectl.render.renamed_inputs import fold_renamed_inputs
from featurectl.render.screen import cut_text
from featurectl.render.visible import in_one_line, visible_leaves

if TYPE_CHECKING:
    from featurectl.plan.plan import ChangeJson, EffortJson, PlanJson, ReasonJson, StageJson, SummaryJson

_SIGNS: Final = {"new": "+", "removed": "-"}
_VERSIONED: Final = ("online_table", "feature_view")
_IN_A_LINE: Final = ("metadata", "retrain")
_NONE: Final = "-"  # of a field that was not there
_TEXTS: Final = ("old", "new")  # values of the files, each drawn in a line of its own way
_DAY: Final = timedelta(days=1)
_MOST_MISSING: Final = 10
_MOST_NAMES: Final = 6  # views of the last line
_LED_BY: Final = 20  # characters before the first difference of two long values that begin alike
_LONGEST: Final = 60  # characters of a value before it is cut; the JSON has all of it


def render_plan(plan: PlanJson) -> str:
    """Return a plan as a person reads it in a terminal, without a newline at its end."""
    plan = visible_leaves(plan, _TEXTS)
    if not plan["changes"]:
        return "\n".join([*_missing_lines(plan), render_summary(plan)])
    lines = [_header(plan), *_older_lines(plan), ""]
    widths = [
        max(6, *(len(WORDS[c["object"]].short) for c in plan["changes"])),
        max(len(c["name"]) for c in plan["changes"]),
        max(len(_kind(c)) for c in plan["changes"]),
    ]
    for change in plan["changes"]:
        lines += _change_lines(change, widths)
    lines += [*_missing_lines(plan), "", render_summary(plan)]
    if work := _work(plan):
        lines.append(f"After apply, materialize computes {work}{_kept_online(plan)}.")
    return "\n".join(lines)


def render_summary(plan: PlanJson) -> str:
    """Return the counts of a plan in one line."""
    if not plan["changes"] and plan["stages"]:
        return f"No changes of the registry, which matches {_what(plan)}; apply creates what is missing outside of it."
    if not plan["changes"]:
        return f"No changes. {plan['environment']} matches {_what(plan)}."
    left = f" {counted(plan['not_selected'], 'change')} not selected." if plan["not_selected"] else ""
    return f"Plan: {_counts(plan['summary'])}.{left}"


def render_stages(plan: PlanJson) -> str:
    """Return the stages that apply would run, in their order, a line each, under a heading."""
    if not plan["stages"]:
        return "Stages: none."
    stages = [(s["action"], s["object"].replace("_", " "), _stage_name(s), s["blocked"]) for s in plan["stages"]]
    width = max(len(kind) for _, kind, _, _ in stages)
    lines = [
        f"  {number:>2}. {action:<6}  {kind:<{width}}  {name}{'   (blocked)' if blocked else ''}".rstrip()
        for number, (action, kind, name, blocked) in enumerate(stages, 1)
    ]
    return "\n".join(["Stages that apply runs, those that write and retire in one transaction:", *lines])


def _stage_name(stage: StageJson) -> str:
    return f"{stage['name']}@{stage['version']}" if stage["object"] in _VERSIONED else stage["name"]


def _what(plan: PlanJson) -> str:
    if plan["selected"]:
        return f"the selected files ({counted(len(plan['unchanged']), 'object')})"
    return f"the files ({counted(len(plan['unchanged']), 'object')})"


def _missing_lines(plan: PlanJson) -> list[str]:
    """Return a line for each thing that registered objects lack outside of the registry, and apply creates again."""
    again, more = _missing(plan)
    lines = [f"  + create {s['object'].replace('_', ' ')} {_stage_name(s)}".rstrip() + "   (missing)" for s in again]
    if more:
        lines.append(f"  ... and {more} more")
    return lines if plan["changes"] or not lines else [*lines, ""]


def _missing(plan: PlanJson) -> tuple[list[StageJson], int]:
    """Return what registered objects lack outside of the registry, as much as is listed, and how much more it is."""
    coming = {(c["name"], c["new_version"]) for c in plan["changes"] if c["old_version"] != c["new_version"]}
    again = [s for s in plan["stages"] if s["action"] == "create" and (s["name"], s["version"]) not in coming]
    if plan["serial"] == 0:
        return [], 0
    return again[:_MOST_MISSING], max(len(again) - _MOST_MISSING, 0)


def render_plan_markdown(plan: PlanJson) -> str:
    """Return a plan as Markdown: the counts, a table of changes and of what is missing, what materialize will do."""
    plan = visible_leaves(plan, _TEXTS)
    title = f"### featurectl plan: {plan['environment']}"
    cells = [*map(_change_cells, plan["changes"]), *_missing_cells(plan)]
    if not cells:
        return f"{title}\n\n{render_summary(plan)}"
    rows = ["| | object | change | why |", "|---|---|---|---|", *("| " + " | ".join(row) + " |" for row in cells)]
    older = [f"**{prose(line)}**\n" for line in _older_lines(plan)]
    text = "\n".join([title, "", *older, render_summary(plan), "", *rows])
    return f"{text}\n\nAfter apply, `materialize` computes {work}." if (work := _work(plan)) else text


def render_needed(lines: Sequence[str]) -> str:
    """Return, as Markdown, what a file of allowances must have for the blocked changes of a plan; "" for none."""
    if not lines:
        return ""
    message = (
        "To allow what is blocked, add to the list of `.allow.yaml` (`featurectl plan --write-allow .allow.yaml`):"
    )
    body = "\n".join(f"  - {in_one_line(line)}" for line in lines)
    return f"\n\n{message}\n\n```yaml\nallow:\n{body}\n```"


def _change_cells(change: ChangeJson) -> list[str]:
    name = f"{WORDS[change['object']].short} {code(change['name'])}"
    what = ", ".join(part for part in (f"**{_kind(change)}** {_versions(change)}".strip(), _effort(change)) if part)
    return [f"`{_sign(change)}`", name, what, _why(change)]


def _missing_cells(plan: PlanJson) -> list[list[str]]:
    again, more = _missing(plan)
    names = [f"{s['object'].replace('_', ' ')} " + (code(_stage_name(s)) if s["name"] else "") for s in again]
    rows = [["`+`", name.strip(), "**create**", "missing"] for name in names]
    return [*rows, ["`+`", f"{more} more", "**create**", "missing"]] if more else rows


def _older_lines(plan: PlanJson) -> list[str]:
    """Return what is to say of the commit that was applied last."""
    applied = plan.get("applied")
    if not applied or not applied["note"]:
        return []
    return [f"BLOCKED: {applied['note']}   (FC414; --allow-older)" if applied["blocked"] else f"! {applied['note']}"]


def _header(plan: PlanJson) -> str:
    commit = f" ({shown})" if (shown := shown_commit(plan["commit"], plan.get("dirty_files", 0))) else ""
    return f"featurectl plan   repo {plan['repo']}{commit}  ->  {plan['environment']} registry, serial {plan['serial']}"


def _counts(summary: SummaryJson) -> str:
    stuck = summary.get("blocked_breaking", 0)
    change = _of_these(breaking=summary["breaking"], blocked=stuck)
    remove = _of_these(blocked=summary["blocked"] - stuck)
    return (
        f"{summary['add']} to add, {summary['change']} to change{change}, "
        f"{summary['remove']} to remove{remove}, {summary['unchanged']} unchanged"
    )


def _of_these(**counts: int) -> str:
    parts = [f"{count} {word}" for word, count in counts.items() if count]
    return f" ({', '.join(parts)})" if parts else ""


def _change_lines(change: ChangeJson, widths: Sequence[int]) -> list[str]:
    what = f"{WORDS[change['object']].short:<{widths[0]}} {change['name']:<{widths[1]}}"
    head = f"  {_sign(change)} {what}  {_kind(change):<{widths[2]}}"
    reasons = fold_renamed_inputs(change["reasons"])
    if change["blocked"]:
        detail = f"{change['blocked']}   ({change['code']}; {change['allow']})"
    elif len(reasons) == 1 and change["kind"] in _IN_A_LINE and reasons[0]["sign"] == "~":
        detail = f"{reasons[0]['field']}: {_value(reasons[0])}"
        reasons = []
    else:
        detail = ", ".join(part for part in (_versions(change), _effort(change)) if part)
    below = [*_reason_lines(reasons), *(f"      ! {note}" for note in change["notes"])]
    if change["blocked"] and change["kind"] == "breaking":
        below.append(
            f"      = {', '.join(part for part in ('breaking ' + _versions(change), _effort(change)) if part)}"
        )
    return [f"{head}  {detail}".rstrip(), *below]


def _reason_lines(reasons: Sequence[ReasonJson]) -> list[str]:
    """Return the lines below a change: the field, its values, its place and how many features it changes."""
    table = [(_field(r), _value(r), r["place"], _effect(r)) for r in reasons]
    widths = [max(len(row[column]) for row in table) for column in range(3)] if table else []
    lines = []
    for reason, row in zip(reasons, table, strict=True):
        cells = [row[column].ljust(widths[column]) for column in range(3) if widths[column]]
        lines.append(f"      {reason['sign']} {'   '.join([*cells, row[3]])}".rstrip())
    return lines


def _field(reason: ReasonJson) -> str:
    """Return a feature that came or went as "aggregates amount_sum_7d", any other field by its path."""
    return reason["field"] if reason["sign"] == "~" else reason["field"].replace(".", " ", 1)


def _value(reason: ReasonJson) -> str:
    if reason["sign"] != "~" or not reason["old"]:
        return in_one_line(reason["new"])
    return " -> ".join(_sides(reason["old"], reason["new"]))


def _effect(reason: ReasonJson) -> str:
    return f"changes {counted(len(reason['features']), 'feature')}" if reason["features"] else ""


def _sides(old: str, new: str) -> tuple[str, str]:
    """Return two values in a line each, both cut from the same place, so that each shows where they first differ."""
    before, after = " ".join(old.split()), " ".join(new.split())
    if before == after:  # they differ by white space alone
        before, after = in_one_line(old), in_one_line(new)
    pairs = enumerate(zip(before, after, strict=False))
    differ = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    if max(len(before), len(after)) <= _LONGEST or differ <= _LONGEST - _LED_BY:
        return _short(before), _short(after)
    start = differ - _LED_BY
    return _short(f"...{before[start:]}"), _short(f"...{after[start:]}")


def _short(line: str) -> str:
    return cut_text(line, _LONGEST)


def _sign(change: ChangeJson) -> str:
    return _SIGNS.get(change["kind"], "~")


def _kind(change: ChangeJson) -> str:
    return "BLOCKED" if change["blocked"] else change["kind"]


def _versions(change: ChangeJson) -> str:
    """Return the version of a view, and what it becomes; other objects have none."""
    if change["object"] != "feature_view" or change["kind"] in _IN_A_LINE:
        return ""
    old, new = change["old_version"], change["new_version"]
    moved = " -> ".join(f"v{number}" for number in dict.fromkeys((old, new)) if number is not None)
    if not change.get("resumes"):
        return moved
    costs = "recomputed as its table was removed" if change["effort"] else "nothing is recomputed"
    return f"{moved}, identical to v{new}, {costs}"


def _effort(change: ChangeJson) -> str:
    """Return what materialize will have to do: "recompute 90 d, 1.2 M rows, 84 k online keys"."""
    effort = change["effort"]
    if effort is None:
        return ""
    if effort["rows"] is None and effort["online_keys"] is None:
        return ""
    rows = "" if effort["rows"] is None else counted(effort["rows"], "row")
    size = "" if effort["bytes"] is None else format_bytes(effort["bytes"])
    keys = effort["online_keys"]
    online = "" if keys is None else counted(keys, "online key")
    parts = [part for part in (_span(change["kind"], effort), rows, size, online) if part]
    return ", ".join(parts)


def _span(kind: str, effort: EffortJson) -> str:
    """Return how far the rows reach: days for a version that is computed again, dates for a new one."""
    since, until = parse_instant(effort["since"] or ""), parse_instant(effort["until"] or "")
    if since is None or until is None:
        return ""
    if kind == "breaking":
        return f"recompute {-((since - until) // _DAY):,} d"
    return f"backfill {since:%Y-%m-%d} .. {until:%Y-%m-%d}" if kind == "new" else ""


def _why(change: ChangeJson) -> str:
    if change["blocked"]:
        return f"{prose(change['blocked'])} ({change['code']}; {code(change['allow'])})"
    lines = [
        f"{code(_field(reason))}: {_value_cell(reason)}" + (f" ({effect})" if (effect := _effect(reason)) else "")
        for reason in fold_renamed_inputs(change["reasons"])
    ]
    return "<br>".join([*lines, *(f"**{prose(note)}**" for note in change["notes"])])


def _value_cell(reason: ReasonJson) -> str:
    if reason["sign"] != "~" or not reason["old"]:
        return prose(_value(reason))
    return " -> ".join(side if side == _NONE else code(side) for side in _sides(reason["old"], reason["new"]))


def _kept_online(plan: PlanJson) -> str:
    """Return which workers keep views of streams online, behind what materialize computes of them."""
    sources = sorted({work["stream"] for work in plan["materialize"] if "stream" in work})
    if not sources:
        return ""
    is_all = all("stream" in work for work in plan["materialize"])
    named = ", ".join(sources[:_MOST_NAMES])
    what = plural(len(plan["materialize"]), "it", "them") if is_all else f"what is of {named}"
    return f"; stream run keeps {what} online"


def _work(plan: PlanJson) -> str:
    parts = [
        f"{work['view']}@{work['version']}"
        + ("" if work["whole"] else " (new rows)" if work.get("resumes") else " (new features)")
        for work in sorted(plan["materialize"], key=lambda work: (not work["whole"], work["view"]))
    ]
    rest = len(parts) - _MOST_NAMES
    return ", ".join(parts[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
