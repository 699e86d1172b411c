"""Whether an estimator of a name is there, by the files of its package: `validate` runs no code."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from featurectl.core.nearest import did_you_mean

_MOST_BYTES: Final = 2 << 20  # of a module that is read
_MAKES_MODULES: Final = ("__path__", "sys.modules")
_MAKES_NAMES: Final = ("__getattr__", "sys.modules", "import *", "exec(", "globals()")
_SUFFIXES: Final = (".py", ".pyc", *EXTENSION_SUFFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingEstimator:
    """Why nothing of a name is there. `installed`: its package is, so that it is a slip of the pen."""

    message: str
    installed: bool
    suggestion: str = ""


def find_missing(name: str) -> MissingEstimator | None:
    """Return what is missing of `package.module.Class` or `package.module:function`; None: nothing that can be seen.

    A module that makes its names as it runs is taken to have any.
    """
    module, _, attribute = name.replace(":", ".").rpartition(".")
    package, *parts = module.split(".")
    if not all(part.isidentifier() for part in (package, *parts, attribute)):
        return MissingEstimator(message=f"{name} is no package.module.Class", installed=True)
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return MissingEstimator(message=f"package {package} of {name} is not installed here", installed=False)
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    file = Path(spec.origin) if spec.origin else None
    known = package
    for part in parts:
        if not folders or _has_any((file and _text(file)) or "", _MAKES_MODULES):
            return None
        place = _module(folders, part)
        if place is None:
            near = did_you_mean(part, {name for folder in folders for name in _listed(folder)})
            return MissingEstimator(message=f"{known} has no module {part}", installed=True, suggestion=near)
        known, file, folders = f"{known}.{part}", *place
    names = None if file is None else _names(file)
    if names is None or attribute in names:
        return None
    near = did_you_mean(attribute, names)
    return MissingEstimator(message=f"{known} has no {attribute}", installed=True, suggestion=near)


def module_file(module: str) -> Path | None:
    """Return the file of a module, of whose package no code runs; None: it has none that can be read."""
    package, *parts = module.split(".")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # an empty name, for one
        return None
    folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    file = Path(spec.origin) if spec and spec.origin else None
    for part in parts:
        place = _module(folders, part)
        if place is None:
            return None
        file, folders = place
    return file


def module_tree(file: Path) -> ast.Module | None:
    """Return the statements of a module; None: it can't be read."""
    try:
        return ast.parse(_text(file) or "")
    except (SyntaxError, ValueError, RecursionError):
        return None


def _module(folders: Sequence[Path], name: str) -> tuple[Path | None, list[Path]] | None:
    """Return the file of a module (None: it has none that can be read) and the folders of what is below it."""
    for folder in folders:
        below = folder / name
        if below.is_dir():
            init = below / "__init__.py"
            return (init if init.is_file() else None), [below]
        found = [folder / f"{name}{suffix}" for suffix in _SUFFIXES if (folder / f"{name}{suffix}").is_file()]
        if found:
            return (found[0] if found[0].suffix == ".py" else None), []
    return None


def _listed(folder: Path) -> Iterator[str]:
    """Yield the names of the modules in a folder."""
    return (path.name.partition(".")[0] for path in folder.iterdir() if path.is_dir() or path.suffix in _SUFFIXES)


def _has_any(text: str, marks: Sequence[str]) -> bool:
    return any(mark in text for mark in marks)


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8") if file.suffix == ".py" and file.stat().st_size < _MOST_BYTES else None
    except (OSError, ValueError):
        return None


def _names(file: Path) -> set[str] | None:
    """Return the names that a module's text binds; None where it can't be read, or makes names as it runs."""
    text = _text(file)
    tree = None if text is None or _has_any(text, _MAKES_NAMES) else module_tree(file)
    return None if tree is None else set(_bound(tree.body))


def _bound(statements: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield what statements of a module bind, those in its conditions included, and not those of its functions."""
    for item in statements:
        if isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield item.name
        elif isinstance(item, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in item.names)
        else:
            yield from _bound([part for part in ast.iter_child_nodes(item) if isinstance(part, ast.stmt)])
            yield from _bound([part for handler in getattr(item, "handlers", ()) for part in handler.body])
            yield from (part.id for part in ast.walk(item) if isinstance(part, ast.Name))
