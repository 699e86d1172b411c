"""Pages of the documentation, cut into the blocks that tests look at.

A comment in front of a block says what a reader needn't see:

    <!-- setup: COMMAND -->   runs before the block (`state: NAME` copies a repository that is ready)
    <!-- exit: 1 -->          the exit code of the block's last command; all others are 0
    <!-- not run: WHY -->     the block's commands are not run
    <!-- file: PATH -->       the block is written to a file
    <!-- fragment -->         the YAML block is a part of a file

In shown output a line `...` stands for any lines, and `...` inside a line for any text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = tuple(sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]))
_COMMENT = re.compile(r"<!-- *([a-z ]+?)(?:: *(.*?))? *-->")
_KEYWORDS = ("setup", "exit", "not run", "file", "fragment")


@dataclass(frozen=True)
class Command:
    """A command of a console block and the lines that the page shows below it."""

    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its lines and the comments in front of it."""

    language: str
    lines: tuple[str, ...]
    line: int
    notes: tuple[tuple[str, str], ...] = field(default=())

    def note(self, keyword: str) -> str | None:
        """Return what a comment says, None when there is none."""
        return dict(self.notes).get(keyword)

    @property
    def text(self) -> str:
        """The block's text."""
        return "\n".join(self.lines) + "\n"

    @property
    def commands(self) -> list[Command]:
        """The commands of a console block; a backslash at the end of a line continues it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.lines:
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and found[-1][0].endswith("\\"):
                text, shown = found.pop()
                found.append((text[:-1] + line.strip(), shown))
            else:
                assert found, f"line {self.line}: output before any command"
                found[-1][1].append(line)
        return [Command(text, tuple(shown)) for text, shown in found]


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    blocks: list[Block] = []
    notes: list[tuple[str, str]] = []
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if match := _COMMENT.fullmatch(line.strip()):
            if match[1] in _KEYWORDS:
                notes.append((match[1], match[2] or ""))
        elif line.startswith("```"):
            body = []
            for _, inner in lines:
                if inner.startswith("```"):
                    break
                body.append(inner)
            blocks.append(Block(line[3:].strip(), tuple(body), number, tuple(notes)))
            notes = []
        elif line.strip():
            assert not notes, f"{page.name}:{number}: the comment {notes} stands before no block"
    return blocks


def name_of(page: Path) -> str:
    """Return a page's path for the names of tests."""
    return page.relative_to(ROOT).as_posix()
