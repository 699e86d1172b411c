"""One problem as text: the lines of the file, a caret below the place, the suggestion beside it, notes below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from featurectl.core.variables import hide_passwords
from featurectl.render.paint import Paint, Style
from featurectl.render.screen import text_width
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from featurectl.language.problems.codes import Problem, Severity

_WIDEST: Final = 160  # columns of a source line that are drawn
_NARROWEST: Final = 20
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
        drawn += [f"{gutter} {bar}", *_excerpt(problem, lines, paint, room)]
    elif problem.suggestion:
        notes.insert(0, problem.suggestion)
    notes += [f"{word}: {str(at).replace(at.path, shown(at.path), 1)}" for at, word in problem.related]
    if notes:
        drawn.append(f"{gutter} {bar}")
        drawn += [f"{gutter} {paint('=', 'note')} {in_one_line(note)}" for note in notes]
    return "\n".join(drawn)


def _excerpt(problem: Problem, lines: Sequence[str], paint: Paint, room: int) -> list[str]:
    """Return the line of the place, the one above it when something stands there, and the caret."""
    place = problem.place
    width = len(str(place.line))
    bar = paint("|", "note")
    cut = max(place.column - room // 2, 0) if place.column > room else 0
    above = place.line - 1
    numbers = [n for n in (above, place.line) if n == place.line or (n > 0 and lines[n - 1][:room].strip())]
    drawn = [f"{paint(f'{n:>{width}}', 'note')} {bar} {_clean(lines[n - 1], cut, room)}".rstrip() for n in numbers]
    if place.column:
        line = lines[place.line - 1]
        before = text_width(_clean(line, cut, room)[: place.column - 1 - cut])
        marked = _clean(line, cut, room)[place.column - 1 - cut : place.end_column - 1 - cut]
        caret = paint("^" * max(text_width(marked), 1), _STYLES[problem.severity])
        drawn.append(f"{' ' * width} {bar} {' ' * before}{caret} {in_one_line(problem.suggestion)}".rstrip())
    return drawn


def _clean(line: str, cut: int, room: int) -> str:
    """Return what is drawn of a line: no password, no control characters, not more than fits."""
    shown = hide_passwords(line)[cut : cut + room].rstrip("\r")
    return "".join(char if char.isprintable() else " " for char in shown)
