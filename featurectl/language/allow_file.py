"""The file of `--allow`: changes that a review has allowed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field, ValidationError

from featurectl.core.errors import ProblemsError, UsageError
from featurectl.language.problems.report import Report
from featurectl.language.shapes.base import ObjectShape
from featurectl.language.shapes.rules import KeyRule, OneOf
from featurectl.language.shapes.values import Name, Text
from featurectl.language.syntax.node import Fields, File, Items, Node
from featurectl.language.syntax.own_files import FileTooLargeError, NotOwnFileError, read_own_file
from featurectl.language.syntax.place import Place
from featurectl.language.syntax.reader import MAX_BYTES, read_nodes, read_text

_DIGEST: Final = re.compile(r"[0-9a-f]{20}")
_LIST: Final = "allow"


class AllowanceShape(ObjectShape):
    """One change that may be applied."""

    what: ClassVar[str] = "allowance"
    rules: ClassVar[tuple[KeyRule, ...]] = (OneOf(("breaking", "remove")),)
    environment: Name = Field(description="The environment of the plan.")
    breaking: Name | None = Field(None, description="A view whose values may change although a champion reads it.")
    remove: Text | None = Field(None, description="An object that may be removed, KIND:NAME.")
    digest: Text = Field(description="The digest of the change, as `plan --write-allow` writes it.")


def read_allowances(path: Path, root: Path) -> tuple[AllowanceShape, ...]:
    """Return what a file of the repository allows.

    Raises:
        UsageError: there is no such file in the repository; a link that leaves it is none.
        ProblemsError: it is not such a file.
    """
    report, name = Report(), str(path)
    text = read_text(name, _bytes(path, root), report)
    node = None if text is None else read_nodes(File(name, text), report)
    found = [] if report.problems else [_shape(item, report) for item in _items(node, Place(name), report)]
    if report.problems:
        raise ProblemsError(f"{path} is no file of allowances", report.problems)
    return tuple(shape for shape in found if shape is not None)


def _bytes(path: Path, root: Path) -> bytes:
    try:
        return read_own_file(root, str(path.absolute()), MAX_BYTES)
    except (NotOwnFileError, IsADirectoryError):
        raise UsageError(f"--allow {path} is no file of the repository", hint=f"a file below {root}") from None
    except FileTooLargeError as error:
        raise UsageError(f"--allow {path} has {error}; at most 5 MB are read") from None
    except OSError as error:
        hint = f"featurectl plan --write-allow {path} writes one"
        raise UsageError(f"--allow {path} can't be read: {error.strerror}", hint=hint) from None


def _items(node: Node | None, place: Place, report: Report) -> list[Node]:
    items = node.get(_LIST) if isinstance(node, Fields) else None
    if not isinstance(items, Items):
        report.error("FC101", f"a file of allowances is a mapping with a list: {_LIST}", place)
        return []
    return list(items)


def _shape(node: Node, report: Report) -> AllowanceShape | None:
    try:
        shape = AllowanceShape.model_validate(node, context=report)
    except ValidationError:
        assert report.problems
        return None
    if not _DIGEST.fullmatch(shape.digest):
        message = f"{shape.digest!r} is no digest of a change"
        report.error("FC104", message, shape.fields.place("digest"), note="plan --write-allow writes it")
    return shape
