"""Python transforms: found and read, never run."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

from featurectl.nearest import did_you_mean
from featurectl.spec.declared import Declared
from featurectl.spec.definition import Source, Transform
from featurectl.spec.model_view import FeatureViewShape
from featurectl.spec.own_files import FileTooLargeError, NotOwnFileError, read_own_file

_MAX_BYTES: Final = 5_000_000


def resolve_transform(
    shape: FeatureViewShape, others: tuple[Source, ...], declared: Declared, root: Path
) -> Transform | None:
    """Return a view's transform with the text of its file, or None when it has none that can be used.

    FC208 unless the file exists and defines the function. `others` are the sources beside the first.
    """
    if shape.transform is None:
        return None
    place = shape.fields.place("transform")
    path, colon, function = shape.transform.rpartition(":")
    if not (path and colon and function):
        declared.report.error("FC104", f'"{shape.transform}" is not file.py:function', place)
        return None
    try:
        content = read_own_file(root, path, _MAX_BYTES)
        tree = ast.parse(content)
        text = ast.unparse(tree) if b"coding" in content[:200] else content.decode("utf-8-sig", "replace")
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


def _reason(error: Exception) -> str:
    """Return why the code of a file can't be read, with the line where there is one."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno}" if error.lineno else error.msg
    deep = isinstance(error, RecursionError | MemoryError)
    return "it is nested too deeply" if deep else str(error)
