"""The parameters that an estimator is made with: seen in the files of its package, or on the imported class."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from featurectl.core.nearest import did_you_mean
from featurectl.models.estimators.look_up import module_file, module_tree
from featurectl.models.estimators.native_params import native_params

_LISTED: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownParam:
    """A name among `trainer.params` that the estimator does not have; `listed` says which it has, as far as they go."""

    name: str
    message: str
    suggestion: str
    listed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signature:
    """What `__init__` of a class in a package takes; `takes_any`: it has **kwargs."""

    package: str
    names: frozenset[str]
    takes_any: bool


def find_unknown(estimator: str, params: Iterable[str], factory: object = None) -> list[UnknownParam]:
    """Return the names that an estimator does not take: without `factory`, by its files, of which no code runs.

    A class that takes any name, of a library that has no list of them, is taken to know all.
    """
    signatures = _in_files(estimator) if factory is None else _of_class(factory)
    known = _known(signatures)
    if known is None:
        return []
    return [
        UnknownParam(
            name=name,
            message=f'{estimator} has no parameter "{name}"',
            suggestion=did_you_mean(name, known),
            listed=f"parameters: {', '.join(sorted(known)[:_LISTED])}{', ...' if len(known) > _LISTED else ''}",
        )
        for name in params
        if name not in known
    ]


def _known(signatures: Iterable[_Signature | None]) -> set[str] | None:
    """Return all names of the signatures of a class and its bases, up to the one that says them all; None: nobody."""
    names, is_listed = set[str](), False
    for signature in signatures:
        if signature is None:
            return None
        names |= signature.names
        if not signature.takes_any:
            return names
        native = native_params(signature.package)
        if native is None:
            return None
        names, is_listed = names | native, True
    return names if is_listed else None


def _of_class(factory: object) -> Iterator[_Signature | None]:
    for kind in getattr(factory, "__mro__", (object,))[:-1]:
        if "__init__" not in vars(kind):
            continue
        try:
            given = list(inspect.signature(kind.__init__).parameters.values())[1:]
        except (TypeError, ValueError):
            yield None
            return
        named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
        yield _Signature(
            package=kind.__module__.partition(".")[0],
            names=frozenset(item.name for item in given if item.kind in named),
            takes_any=any(item.kind is inspect.Parameter.VAR_KEYWORD for item in given),
        )


def _in_files(estimator: str) -> Iterator[_Signature | None]:
    module, _, name = estimator.rpartition(".")
    return _of_name(module, name, ())


def _of_name(module: str, name: str, seen: tuple[tuple[str, str], ...]) -> Iterator[_Signature | None]:
    """Yield the signatures of what a module calls `name`, and None where they can't be seen from there on."""
    file = None if (module, name) in seen else module_file(module)
    tree = None if file is None else module_tree(file)
    if file is None or tree is None:
        yield None
        return
    classes = [item for item in ast.walk(tree) if isinstance(item, ast.ClassDef) and item.name == name]
    imports = [
        (item, alias.name)
        for item in ast.walk(tree)
        if isinstance(item, ast.ImportFrom)
        for alias in item.names
        if (alias.asname or alias.name) == name
    ]
    if len(classes) + len(imports) != 1:  # none, or one of them, and only a run of the module tells which
        yield None
    elif classes:
        yield from _of_definition(classes[0], module, (*seen, (module, name)))
    else:
        yield from _of_name(_absolute(imports[0][0], module, file), imports[0][1], (*seen, (module, name)))


def _absolute(item: ast.ImportFrom, module: str, file: Path) -> str:
    """Return the name of the module that is imported from; "" where there is none so far above."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    try:
        return importlib.util.resolve_name("." * item.level + (item.module or ""), package)
    except ImportError:
        return ""


def _of_definition(kind: ast.ClassDef, module: str, seen: tuple[tuple[str, str], ...]) -> Iterator[_Signature | None]:
    package = module.partition(".")[0]
    own = [item for item in kind.body if isinstance(item, ast.FunctionDef) and item.name in {"__init__", "__new__"}]
    is_native = native_params(package) is not None
    if any(item.name == "__new__" or item.decorator_list for item in own) and not is_native:
        yield None
    for item in own:
        arguments = item.args
        names = frozenset(part.arg for part in (*arguments.args[1:], *arguments.kwonlyargs))
        yield _Signature(package=package, names=names, takes_any=arguments.kwarg is not None)
    if not own and kind.decorator_list and not is_native:  # a dataclass, say: its __init__ is made as it runs
        yield None
    for base in kind.bases:
        if isinstance(base, ast.Name) and base.id != "object":
            found = list(_of_name(module, base.id, seen))
            if is_native:  # its own classes alone: its mixins come from elsewhere
                found = [item for item in found if item is not None and item.package == package]
            yield from found
        elif not isinstance(base, ast.Name) and not is_native:
            yield None
