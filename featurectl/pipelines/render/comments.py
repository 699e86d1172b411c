"""Comments of rendered files, in lines of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from featurectl.language.definitions.pipelines import Pipeline
from featurectl.pipelines.render.base import Site

_WIDTH: Final = 110


def comment(*paragraphs: str, indent: str = "") -> str:
    r"""Return paragraphs as comments, each filled; an empty one is a line that keeps others apart.

    >>> comment("One.", "", "Two.")
    '# One.\n#\n# Two.\n'
    """
    lines = []
    for text in paragraphs:
        lines += _filled(text, _WIDTH - len(indent))
    return "".join(f"{indent}# {line}".rstrip() + "\n" for line in lines)


def _filled(text: str, width: int) -> list[str]:
    lines = [""]
    for word in map(_printable, text.split()):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _printable(word: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in word)


def beware(warnings: Sequence[str]) -> list[str]:
    """Return warnings as paragraphs of comments."""
    return [f"Beware: {text}." for text in warnings]


def variables_text(site: Site, file: str) -> str:
    """Return what a file of the environment's variables has to hold, as a sentence; "": there are none."""
    needed = [variable.name for variable in site.variables if variable.is_needed]
    others = [variable.name for variable in site.variables if not variable.is_needed]
    said = f"{file} holds the variables of the environment, lines of NAME='value', for nobody else to read: "
    if not site.variables:
        return ""
    return said + ", ".join([*needed, *(f"{name} (it has a default)" for name in others)]) + "."


def untold_text(pipeline: Pipeline, scheduler: str) -> list[str]:
    """Return who is not notified where a scheduler runs stages by itself; nothing where nobody is named."""
    named = sorted({name for stage in pipeline.stages for name in (*stage.on_success, *stage.on_failure)})
    if not named:
        return []
    message = f"{', '.join(named)} of on_success and on_failure: {scheduler} notifies by ways of its own, "
    return [f"{message}`featurectl pipeline run` by these."]
