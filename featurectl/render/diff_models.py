"""Two model versions side by side."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from featurectl.core.units import counted
from featurectl.render.page import Page, PageBlock, PageTable, page_text

if TYPE_CHECKING:
    from featurectl.operations.models.diff import VersionDiff, VersionFacts
    from featurectl.registry.state import ModelVersion

_NONE: Final = "-"


def render_diff(diff: VersionDiff, *, is_whole: bool) -> str:
    """Return the page as text."""
    return page_text(diff_page(diff, is_whole=is_whole))


def diff_page(diff: VersionDiff, *, is_whole: bool = False) -> Page:
    """Return the parts as tables; `~` marks what differs, `+` and `-` what one of them has alone.

    `=` marks an input of another version of its view that means the same. What has no mark is counted, unless the page
    `is_whole`.
    """
    page: list[PageBlock] = []
    head, same = (_label(diff.first), _label(diff.second)), 0
    for part, (first, second) in diff.parts.items():
        marks, unsaid = _marks(diff, part), _renamed_selections(first, second)
        names = [name for name in dict.fromkeys([*first, *second]) if name not in unsaid]
        shown = names if is_whole else [name for name in names if name in marks]
        same += len(names) - len(shown)
        rows = [[marks.get(name, " "), name, _text(first, name), _text(second, name)] for name in shown]
        if rows:
            page.append([PageTable(head=(" ", part, *head), rows=rows)])
    if same:
        says = "" if page else f"{head[0]} and {head[1]} say the same; "
        page.append([f"{says}{counted(same, 'line')} without a difference: -v shows all"])
    return page


def _renamed_selections(first: VersionFacts, second: VersionFacts) -> set[str]:
    """Return the names of keys' selections that one has alone, where they are those of the other under other names."""
    gone, came = ([name for name in one if name not in other] for one, other in ((first, second), (second, first)))
    sides = [
        Counter((rest, facts[name].text) for name in names if (rest := _selection(name)))
        for facts, names in ((first, gone), (second, came))
    ]
    return {name for name in (*gone, *came) if _selection(name)} if sides[0] == sides[1] else set()


def _selection(name: str) -> str:
    """Return the key of `features.INPUT.select.KEY`; "" of another name."""
    return name.partition(".select.")[2] if name.startswith("features.") else ""


def diff_json(diff: VersionDiff) -> dict[str, object]:
    """Return the parts ready for JSON, with what differs apart."""
    return {
        "a": _identity(diff.first) | {part: _values(first) for part, (first, _) in diff.parts.items()},
        "b": _identity(diff.second) | {part: _values(second) for part, (_, second) in diff.parts.items()},
        "differ": {part: diff.differ(part) for part in diff.parts},
        "same_meaning": {part: diff.moved(part) for part in diff.parts},
    }


def _identity(version: ModelVersion) -> dict[str, object]:
    return {"model": version.model, "version": version.version}


def _label(version: ModelVersion) -> str:
    return f"{version.model}@{version.version}"


def _marks(diff: VersionDiff, part: str) -> dict[str, str]:
    """Return the mark of each name of a part that has one."""
    first, second = diff.parts[part]
    marks = dict.fromkeys(diff.moved(part), "=")
    for name in diff.differ(part):
        marks[name] = "~" if name in first and name in second else "-" if name in first else "+"
    return marks


def _text(facts: VersionFacts, name: str) -> str:
    return facts[name].text if name in facts else _NONE


def _values(facts: VersionFacts) -> dict[str, object]:
    return {name: fact.value for name, fact in facts.items()}
