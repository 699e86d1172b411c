"""Differences between online and offline, as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from featurectl.core.units import counted, format_count, plural
from featurectl.monitor.verify.report import FeatureSkew, VerifyReport, ViewSkew
from featurectl.render.table import NarrowForm, render_table
from featurectl.render.visible import in_one_line

_LOG_HEAD = ("model", "feature", "view", "compared", "differ", "share", "cause")
_NARROW: Final = NarrowForm(last="below")
_STORE_HEAD = ("view", "feature", "compared", "differ", "share", "cause")


def render_reports(reports: Mapping[str, VerifyReport], *, whole: bool) -> str:
    """Return what differs in the replays of some models as a table, with an example, and what was left out.

    With `whole` the table has also what agrees, which is only counted without.
    """
    skews = [skew for report in reports.values() for skew in report.features]
    shown = [skew for skew in skews if whole or _is_notable(skew)]
    rows = [[f"{s.model}@{s.version}", s.feature, s.view, *_cells(s)] for s in shown]
    lines = render_table(_LOG_HEAD, rows, narrow=_NARROW) if rows else []
    blocks = [lines, list(_examples(skews)), _rest(len(skews) - len(shown))]
    blocks.append([line for report in reports.values() for line in _left_out(report)])
    replayed, total = sum(r.replayed for r in reports.values()), sum(r.rows for r in reports.values())
    compared, differ = sum(s.compared for s in skews), sum(s.mismatched for s in skews)
    last = f"{format_count(replayed)} of {counted(total, 'row')} replayed: "
    blocks.append([last + _verdict(differ, compared)])
    return _joined(blocks)


def render_views(views: Sequence[ViewSkew], *, whole: bool) -> str:
    """Return what differs in the comparisons of some views as a table, with an example, and how much was looked at.

    With `whole` the table has also what agrees, which is only counted without.
    """
    rows, rest = [], 0
    for view in views:
        label = f"{view.view}@{view.version}"
        shown = [skew for skew in view.features if whole or _is_notable(skew)]
        rows += [[label, s.feature, *_cells(s)] for s in shown]
        rest += len(view.features) - len(shown)
        for what, causes in (("(rows missing)", view.missing), ("(rows unexpected)", view.unexpected)):
            if count := sum(causes.values()):
                rows.append([label, what, format_count(view.entities), format_count(count), "", _causes(causes, {})])
    blocks = [render_table(_STORE_HEAD, rows, narrow=_NARROW) if rows else []]
    blocks.append([line for view in views for line in (*_examples(view.features), *_row_example(view))])
    blocks += [_rest(rest), [f"{view.view}@{view.version}: {view.note}" for view in views if view.note]]
    skews = [skew for view in views for skew in view.features]
    compared, differ = sum(s.compared for s in skews), sum(view.differences for view in views)
    entities, of = sum(view.entities for view in views), sum(view.of for view in views)
    rows_there = counted(of, "online row")
    blocks.append(
        [f"{counted(entities, 'entity', 'entities')} compared, {rows_there} there: {_verdict(differ, compared)}"]
    )
    return _joined(blocks)


def report_json(report: VerifyReport) -> dict[str, object]:
    """Return the replay of a model ready for JSON."""
    return {
        "rows": report.rows,
        "replayed": report.replayed,
        "features": [{"model_version": skew.version, **skew_document(skew)} for skew in report.features],
        "left_out": dict(report.left_out),
        "notes": list(report.notes),
    }


def view_json(view: ViewSkew) -> dict[str, object]:
    """Return the comparison of a view, and of each of its features, ready for JSON."""
    return {**view_skew_document(view), "features": [skew_document(skew) for skew in view.features]}


def view_skew_document(view: ViewSkew) -> dict[str, object]:
    """Return what is said of the comparison of a view."""
    return {
        "view": view.view,
        "version": view.version,
        "entities": view.entities,
        "online_rows": view.of,
        "missing": dict(view.missing),
        "unexpected": dict(view.unexpected),
        "note": view.note or None,
        "of_the_future": bool(view.future),
        "example": view.example or None,
    }


def skew_document(skew: FeatureSkew) -> dict[str, object]:
    """Return what is said of one input of a model, or one feature of a view."""
    return {
        "feature": skew.feature,
        "view": skew.view,
        "compared": skew.compared,
        "mismatched": skew.mismatched,
        "share": skew.share,
        "causes": dict(skew.causes),
        "told": dict(skew.details),
        "example": skew.example or None,
    }


def _cells(skew: FeatureSkew) -> list[str]:
    share = f"{skew.share:.2%}" if skew.mismatched else "-" if not skew.compared else "0"
    return [format_count(skew.compared), format_count(skew.mismatched), share, _causes(skew.causes, skew.details)]


def _is_notable(skew: FeatureSkew) -> bool:
    """Return whether a feature differs, or nothing of it was compared."""
    return bool(skew.mismatched) or not skew.compared


def _rest(count: int) -> list[str]:
    return [f"{counted(count, 'feature')} {plural(count, 'agrees', 'agree')}: -v lists them."] if count else []


def _causes(causes: Mapping[str, int], details: Mapping[str, str]) -> str:
    """Return causes with their counts, most of them first.

    >>> _causes({"late row": 2, "tie": 1}, {"late row": "known after a later event"})
    'late row 2 (known after a later event), tie 1'
    """
    return ", ".join(
        f"{cause} {format_count(count)}" + (f" ({details[cause]})" if cause in details else "")
        for cause, count in causes.items()
    )


def _examples(skews: Sequence[FeatureSkew]) -> Iterator[str]:
    for skew in skews:
        if skew.mismatched and skew.example:
            yield in_one_line(f"  {skew.feature}: {skew.example}")


def _row_example(view: ViewSkew) -> list[str]:
    return [in_one_line(f"  {view.view}@{view.version}: {view.example}")] if view.example else []


def _left_out(report: VerifyReport) -> Iterator[str]:
    for reason, count in report.left_out.items():
        yield in_one_line(f"{counted(count, 'row')} {plural(count, 'was', 'were')} not replayed: {reason}")
    yield from map(in_one_line, report.notes)


def _verdict(differ: int, compared: int) -> str:
    if not compared and not differ:
        return "nothing was compared."
    return f"{format_count(differ)} of {counted(compared, 'value')} {plural(differ, 'differs', 'differ')}."


def _joined(blocks: Sequence[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block)
