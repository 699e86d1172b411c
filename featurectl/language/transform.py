"""Python transforms: found and read, never run."""

from __future__ import annotations

import ast
import codecs
import re
from pathlib import Path
from typing import Final

from featurectl.core.nearest import did_you_mean
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import Transform
from featurectl.language.problems.report import Report
from featurectl.language.resolve.declarations import Declarations
from featurectl.language.shapes.view import FeatureViewShape
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_own_file
from featurectl.language.syntax.place import Place
from featurectl.language.syntax.reader import read_text

_MAX_BYTES: Final = 5_000_000
_DECLARATION: Final = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_BLANK: Final = re.compile(rb"[ \t\f]*(?:#|$)")  # behind another line nothing is declared
_UTF8: Final = re.compile(r"utf[-_]?8(-(unix|dos|mac|sig))?", re.IGNORECASE)
_LONE_RETURN: Final = re.compile(r"\r(?!\n)")


def resolve_transform(
    shape: FeatureViewShape, others: tuple[Source, ...], declared: Declarations, root: Path
) -> Transform | None:
    """Return a view's transform with the text of its file, or None when it has none that can be used.

    FC208 unless the file exists and defines the function, FC001 unless it is UTF-8. `others` are the sources beside
    the first.
    """
    if shape.transform is None:
        return None
    place = shape.fields.place("transform")
    path, colon, function = shape.transform.rpartition(":")
    if not (path and colon and function):
        declared.report.error("FC104", f'"{shape.transform}" is not file.py:function', place)
        return None
    try:
        text = _code(path, read_own_file(root, path, _MAX_BYTES), declared.report)
        if text is None:
            return None
        tree = ast.parse(text)
    except NotOwnFileError as error:
        declared.report.error("FC007", f'"{path}" is not read: {error}', place)
        return None
    except FileTooLargeError as error:
        declared.report.error("FC208", f'"{path}" has {error}; at most 5 MB are read', place)
        return None
    except OSError:
        declared.report.error("FC208", f'no file "{path}"', place)
        return None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        declared.report.error("FC208", f'"{path}" is not Python: {_reason(error)}', place)
        return None
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if function not in functions:
        near = did_you_mean(function, functions)
        declared.report.error("FC208", f'no function "{function}" in "{path}"', place, suggestion=near)
        return None
    return Transform(path=path, function=function, text=text, lookback_us=shape.lookback, others=others)


def _code(path: str, content: bytes, report: Report) -> str | None:
    """Return the text of a file of code, or None when Python would see other lines in it than its readers do."""
    encoding, line = _declared_encoding(content)
    if encoding:
        message = f"the file declares the encoding {encoding}: code is UTF-8, in which it is reviewed"
        report.error("FC001", message, Place(path, line, 1), suggestion="leave the declaration out")
        return None
    text = read_text(path, content, report)
    alone = None if text is None else _LONE_RETURN.search(text)
    if text is None or alone is None:
        return text
    line = text.count("\n", 0, alone.start()) + 1
    column = alone.start() - text.rfind("\n", 0, alone.start())
    message = "a carriage return without a newline: to Python a new line begins there, to many editors none"
    report.error("FC001", message, Place(path, line, column, column + 1))
    return None


def _declared_encoding(content: bytes) -> tuple[str, int]:
    """Return the encoding that the first two lines declare (PEP 263), and the line; empty for UTF-8 or none."""
    lines = re.split(rb"\r\n|\r|\n", content.removeprefix(codecs.BOM_UTF8), maxsplit=2)
    for number, line in enumerate(lines[:2], 1):
        if found := _DECLARATION.match(line):
            name = found[1].decode()
            return ("", 0) if _UTF8.fullmatch(name) else (name, number)
        if not _BLANK.match(line):
            break
    return "", 0


def _reason(error: Exception) -> str:
    """Return why the code of a file can't be read, with the line where there is one."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}" if error.lineno else error.msg
    deep = isinstance(error, RecursionError | MemoryError)
    return "it is nested too deeply" if deep else str(error)
