"""`featurectl explain`."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.errors import UsageError
from featurectl.render.screen import screen_width

_WIDEST = 100  # columns: longer lines are hard to read


@verb()
def explain(
    call: Call, code: Annotated[str | None, typer.Argument(metavar="CODE", help="A code like FC102.")] = None
) -> Outcome:
    """Say at length what a problem's code means. Without a code, list them all."""
    from featurectl.language.problems.codes import CODES

    if code is None:
        text = "\n".join(f"{name}  {item.title}" for name, item in sorted(CODES.items()))
        return Outcome(text=text, result={"codes": {name: item.title for name, item in sorted(CODES.items())}})
    found = CODES.get(code.upper())
    if found is None:
        raise UsageError(f"no problem code {code!r}", hint="featurectl explain lists them")
    name = code.upper()
    text = f"{name}: {found.title}\n\n{textwrap.fill(found.text, min(screen_width() or _WIDEST, _WIDEST))}"
    return Outcome(text=text, result={"code": name, "title": found.title, "text": found.text})
