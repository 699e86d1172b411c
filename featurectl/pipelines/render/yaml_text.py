"""YAML as a person writes it: keys in their order, lists below their keys, short ones in one line, comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import yaml

from featurectl.pipelines.render.comments import comment

_MARK: Final = "__comment_"
_LINE: Final = re.compile(rf"^( *(?:- )?){_MARK}\d+__: (.*)\n", re.MULTILINE)
_WIDTH: Final = 110


class _Flow(dict[str, object]):
    """A mapping that is written in one line."""


class _FlowList(list[object]):
    """A list that is written in one line."""


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their keys."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        super().increase_indent(flow, indentless=False)


def _flow_mapping(dumper: _Dumper, value: _Flow) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


def _flow_list(dumper: _Dumper, value: _FlowList) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    """Return a text: in lines where it has several; escaped where a letter is one that some take for the end of one."""
    is_printable = value.replace("\n", "").isprintable()
    style = ("|" if "\n" in value else None) if is_printable else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _nothing(dumper: _Dumper, _: None) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


# What is no text to the YAML of Go, by which Kubernetes, Argo and Compose read, is quoted like what is none to PyYAML.
_Dumper.add_implicit_resolver(
    "!number", re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$|0o[0-7]+$"), list("-+.0123456789")
)
_Dumper.add_implicit_resolver("!bool", re.compile(r"[yYnN]$"), list("yYnN"))
_Dumper.add_representer(_Flow, _flow_mapping)
_Dumper.add_representer(_FlowList, _flow_list)
_Dumper.add_representer(str, _text)
_Dumper.add_representer(type(None), _nothing)
_Dumper.ignore_aliases = lambda *_: True  # type: ignore[method-assign]  # what stands twice is written twice


def flow(**values: object) -> Mapping[str, object]:
    """Return a mapping that is written in one line."""
    return _Flow(values)


def flow_list(*values: object) -> list[object]:
    """Return a list that is written in one line."""
    return _FlowList(values)


def said(text: str, number: int = 0) -> dict[str, object]:
    """Return what stands as a comment at its place among the keys of a mapping; of two there the numbers differ."""
    return {f"{_MARK}{number}__": text}


def yaml_text(*documents: Mapping[str, Any]) -> str:
    """Return documents as one file.

    >>> print(yaml_text({"on": {**said("Twice."), "jobs": ["a", "b"]}}), end="")
    on:
      # Twice.
      jobs:
        - a
        - b
    """
    texts = [_document(document) for document in documents]
    return "---\n".join(texts)


def _document(document: Mapping[str, Any]) -> str:
    text = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
    text = _LINE.sub(lambda found: comment(str(yaml.safe_load(found[2])), indent=found[1]), text)
    return re.sub(r"^( *)'on':", r"\1on:", text, flags=re.MULTILINE)
