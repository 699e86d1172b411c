"""What Python code says, whatever it looks like."""

from __future__ import annotations

import ast
import hashlib
import json
from typing import Final

_LONGEST_INT: Final = 2_000  # bits; Python refuses to write very long ones in decimal


def code_digest(text: str) -> str:
    r"""Return the SHA-256 of the syntax tree of Python code: comments, layout and docstrings are not in it.

    The same in every version of Python that can read the code.

    >>> code_digest("def f(x):\n  return x+1  # next") == code_digest('def f(x):\n    "Add."\n    return (x + 1)')
    True
    >>> code_digest("x = 1") == code_digest("x = 1.0")
    False
    """
    return hashlib.sha256(_written(ast.parse(text)).encode()).hexdigest()


class _Piece(str):
    """A part of the JSON text that is written already."""

    __slots__ = ()


def _written(tree: ast.AST) -> str:
    """Return a tree as JSON, however deep it is; fields that are not set are left out, as older versions lack some."""
    pieces: list[str] = []
    waiting: list[object] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.AST):
            fields = [(name, value) for name, value in _fields(node) if value is not None and value != []]
            parts: list[object] = [_Piece(f'["{type(node).__name__}", {{')]
            for number, (name, value) in enumerate(fields):
                parts += [_Piece(f'{", " if number else ""}"{name}": '), value]
            waiting += [_Piece("}]"), *reversed(parts)]
        elif isinstance(node, list):
            parts = [part for number, item in enumerate(node) for part in (_Piece(", " if number else "["), item)]
            waiting += [_Piece("]" if node else "[]"), *reversed(parts)]
        elif isinstance(node, _Piece):
            pieces.append(node)
        else:
            pieces.append(json.dumps(node if node is None or isinstance(node, str) else _constant(node)))
    return "".join(pieces)


def _constant(value: object) -> list[str]:
    long = isinstance(value, int) and value.bit_length() > _LONGEST_INT
    return [type(value).__name__, hex(value) if long and isinstance(value, int) else repr(value)]


def _fields(node: ast.AST) -> list[tuple[str, object]]:
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment")]
    documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        return [(name, value[1:] if name == "body" and isinstance(value, list) else value) for name, value in fields]
    return fields
