"""Texts of files, tables and people inside Markdown: they stand there as themselves, and call nobody.

A pull request is commented by a bot with its rights: what a contributor writes into a description must be no link, no
picture, no table, no mention of a team.
"""

from __future__ import annotations

import re
from typing import Final

_PUNCTUATION: Final = re.compile(r"[!-/:-@\[-`{-~]")
_MEANT: Final = re.compile(r"[&<`*~\[\]|\\$]|(?<!\w)_|_(?!\w)")
_MENTION: Final = re.compile(r"(?<![\w`])@(?=\w)")
_NUMBER: Final = re.compile(r"#(?=\d)")
_LINK: Final = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_BLOCK: Final = re.compile(r"^(?=[#+=>-])|(?<=^\d)(?=[.)])")
_BACKTICKS: Final = re.compile(r"`+")
_BREAK: Final = "&#8203;"  # takes no room, and no name or number begins behind it


def code(text: str) -> str:
    """Return a text as code, in one line, also in a table.

    >>> code("amount > 5"), code("a|`b`")
    ('`amount > 5`', '<code>a&#124;&#96;b&#96;</code>')
    """
    line = " ".join(text.splitlines())
    if line.strip() and not set("`|") & set(line):
        return f"`{line}`"
    return f"<code>{_PUNCTUATION.sub(_entity, line)}</code>"


def prose(text: str) -> str:
    """Return a text whose every character stands for itself, in one line, also in a table.

    >>> prose("see [this](http://x) @ops #7, *now* | <b>")
    'see &#91;this&#93;(http&#58;//x) &#64;&#8203;ops &#35;&#8203;7, &#42;now&#42; &#124; &#60;b>'
    >>> prose("the view delays@2, late_rate_1d")
    'the view delays@2, late_rate_1d'
    """
    line = _MEANT.sub(_entity, " ".join(text.splitlines()))
    line = _LINK.sub(_entity, _MENTION.sub(f"&#64;{_BREAK}", line))
    return _NUMBER.sub(lambda found: found[0] if _is_entity(line, found.start()) else f"&#35;{_BREAK}", line)


def paragraph(text: str) -> str:
    r"""Return a text as one paragraph, whatever it begins with.

    >>> print(paragraph("# not a heading"))
    \# not a heading
    """
    return _BLOCK.sub(r"\\", prose(" ".join(text.split())))


def fenced(text: str) -> str:
    r"""Return a text as a block of code, which nothing in it ends.

    >>> print(fenced("a `b`\n```\n<img>"))
    ````
    a `b`
    ```
    <img>
    ````
    """
    fence = "`" * max(3, *(len(run) + 1 for run in _BACKTICKS.findall(text)), 0)
    return f"{fence}\n{text}\n{fence}"


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _is_entity(line: str, at: int) -> bool:
    return line[at - 1 : at] == "&"
