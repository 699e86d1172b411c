"""One problem as text: the lines of the file, a caret below the place, the suggestion beside it, notes below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from featurectl.core.variables import hide_passwords
from featurectl.render.paint import Paint, Style
from featurectl.render.screen import text_width
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from featurectl.language.problems.codes import Problem, Severity

_WIDEST: Final = 160  # columns of a source line that are drawn
_NARROWEST: Final = 20
_MORE: Final = "..."  # where a line was cut
_STYLES: Final[Mapping[Severity, Style]] = {"error": "error", "warning": "warning", "note": "note"}


def draw_problem(
    problem: Problem, lines: Sequence[str], shown: Callable[[str], str], paint: Paint, width: int | None = None
) -> str:
    """Return the problem as text without a newline at its end; without lines there is no excerpt.

    Each of its texts is a line, whatever name of a file or of its data stands in it; lines of the excerpt take at
    most `width` columns.
    """
    place, style = problem.place, _STYLES[problem.severity]
    where = str(place).replace(place.path, shown(place.path), 1)
    code = paint(f"{problem.severity}[{problem.code}]", style)
    head = f"{paint(where, 'strong')}: {code}: {in_one_line(problem.message)}"
    gutter = " " * len(str(place.line))
    bar = paint("|", "note")
    drawn = [head]
    notes = list(problem.notes)
    if 0 < place.line <= len(lines):
        room = _WIDEST if width is None else min(_WIDEST, max(width - len(gutter) - 3, _NARROWEST))
        excerpt = _excerpt(problem, lines, paint, room)
        drawn += [f"{gutter} {bar}", *excerpt.lines]
        if problem.suggestion and not excerpt.has_suggestion:
            notes.insert(0, problem.suggestion)
    elif problem.suggestion:
        notes.insert(0, problem.suggestion)
    notes += [f"{word}: {str(at).replace(at.path, shown(at.path), 1)}" for at, word in problem.related]
    if notes:
        drawn.append(f"{gutter} {bar}")
        drawn += [f"{gutter} {paint('=', 'note')} {in_one_line(note)}" for note in notes]
    return "\n".join(drawn)


class _Excerpt(NamedTuple):
    lines: list[str]
    has_suggestion: bool  # there was room for it beside the caret


def _excerpt(problem: Problem, lines: Sequence[str], paint: Paint, room: int) -> _Excerpt:
    """Return the line of the place, the one above it when something stands there, and the caret."""
    place = problem.place
    width = len(str(place.line))
    bar = paint("|", "note")
    cut = max(place.column - room // 2, 0) if place.column > room else 0
    above = place.line - 1
    numbers = [n for n in (above, place.line) if n == place.line or (n > 0 and lines[n - 1][:room].strip())]
    drawn = [f"{paint(f'{n:>{width}}', 'note')} {bar} {_clean(lines[n - 1], cut, room)}".rstrip() for n in numbers]
    if not place.column:
        return _Excerpt(drawn, has_suggestion=False)
    shown = _clean(lines[place.line - 1], cut, room)
    before = text_width(shown[: place.column - 1 - cut])
    marked = shown.removesuffix(_MORE)[place.column - 1 - cut : place.end_column - 1 - cut]
    carets, suggestion = max(text_width(marked), 1), in_one_line(problem.suggestion)
    fits = before + carets + 1 + text_width(suggestion) <= room
    beside = f" {suggestion}" if suggestion and fits else ""
    drawn.append(f"{' ' * width} {bar} {' ' * before}{paint('^' * carets, _STYLES[problem.severity])}{beside}")
    return _Excerpt(drawn, has_suggestion=fits)


def _clean(line: str, cut: int, room: int) -> str:
    """Return what is drawn of a line: no password, no control characters, and dots where it goes on."""
    whole = hide_passwords(line).rstrip("\r")
    shown = whole[cut : cut + room]
    if len(whole) > cut + room:
        shown = f"{shown[: -len(_MORE)]}{_MORE}"
    return "".join(char if char.isprintable() else " " for char in shown)
