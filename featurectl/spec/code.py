"""What Python code says, whatever it looks like."""

from __future__ import annotations

import ast
import hashlib
import json


def code_digest(text: str) -> str:
    r"""Return the SHA-256 of the syntax tree of Python code: comments, layout and docstrings are not in it.

    The same in every version of Python that can read the code.

    >>> code_digest("def f(x):\n  return x+1  # next") == code_digest('def f(x):\n    "Add."\n    return (x + 1)')
    True
    >>> code_digest("x = 1") == code_digest("x = 1.0")
    False
    """
    return hashlib.sha256(json.dumps(_form(ast.parse(text)), ensure_ascii=True).encode()).hexdigest()


def _form(node: object) -> object:
    """Return a tree as JSON-ready data; fields that are not set are left out, as older versions lack some of them."""
    if isinstance(node, ast.AST):
        fields = {name: _form(value) for name, value in _fields(node)}
        return [type(node).__name__, {name: value for name, value in fields.items() if value not in (None, [])}]
    if isinstance(node, list):
        return [_form(item) for item in node]
    if node is None or isinstance(node, str):
        return node
    return [type(node).__name__, repr(node)]


def _fields(node: ast.AST) -> list[tuple[str, object]]:
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in ("kind", "type_comment")]
    documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
        return [(name, value[1:] if name == "body" and isinstance(value, list) else value) for name, value in fields]
    return fields
