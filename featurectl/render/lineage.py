"""Lineage as trees for a terminal, and as a graph for pages: Mermaid, DOT, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.catalog.lineage import LineageGraph
    from featurectl.catalog.objects import ObjectName

DrawnSteps = Callable[["ObjectName"], Sequence["ObjectName"]]
_SHAPES: Final = {  # of Mermaid, and of DOT
    "entity": ('(["', '"])', "ellipse"),
    "source": ('[("', '")]', "cylinder"),
    "view": ('["', '"]', "box"),
    "feature": ('("', '")', "box"),
    "model": ('{{"', '"}}', "hexagon"),
    "pipeline": ('[["', '"]]', "component"),
    "deployment": ('[/"', '"/]', "component"),
}


def render_lineage(graph: LineageGraph) -> str:
    """Return what the root is made of, and what is made of it, as trees; of a whole project, one tree a source."""
    if graph.root is None:
        tops = [node for node in graph.nodes if not graph.made_of(node)]
        lines = [line for top in tops for line in (_label(top), *_tree(graph.used_by, top, [top]))]
        return "\n".join([*lines, "", f"{counted(len(graph.nodes), 'object')}."])
    parts = [_label(graph.root)]
    for title, steps in (("made of", graph.made_of), ("used by", graph.used_by)):
        below = list(_tree(steps, graph.root, [graph.root], "  "))
        parts += [f"  {title}", *below] if below else [f"  {title} nothing"]
    return "\n".join(parts)


def _tree(steps: DrawnSteps, node: ObjectName, path: Sequence[ObjectName], indent: str = "") -> Iterator[str]:
    below = list(steps(node))
    for place, child in enumerate(below):
        is_last = place == len(below) - 1
        yield f"{indent}{'`-- ' if is_last else '|-- '}{_label(child)}"
        yield from _tree(steps, child, [*path, child], indent + ("    " if is_last else "|   "))


def _label(node: ObjectName) -> str:
    return f"{node.kind} {node.name}"


def lineage_json(graph: LineageGraph) -> dict[str, object]:
    """Return a graph ready for JSON; edges lead from what is read to what is made of it."""

    def named(node: ObjectName) -> dict[str, str]:
        return {"kind": node.kind, "name": node.name}

    return {
        "root": None if graph.root is None else named(graph.root),
        "nodes": [named(node) for node in graph.nodes],
        "edges": [{"from": named(before), "to": named(after)} for before, after in graph.edges],
    }


def lineage_mermaid(graph: LineageGraph) -> str:
    """Return a graph in the language of Mermaid, as pull requests draw it."""
    number = {node: f"n{place}" for place, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node, name in number.items():
        begin, end, _ = _SHAPES[node.kind]
        lines.append(f"    {name}{begin}{_escaped(node)}{end}")
    lines += [f"    {number[before]} --> {number[after]}" for before, after in graph.edges]
    if graph.root is not None:
        lines.append(f"    style {number[graph.root]} stroke-width:3px")
    return "\n".join(lines)


def _escaped(node: ObjectName) -> str:
    text = _label(node)
    return "".join(char if char.isalnum() or char in " _:.-@" else f"#{ord(char)};" for char in text)


def lineage_dot(graph: LineageGraph) -> str:
    """Return a graph in the language of Graphviz."""
    number = {node: f"n{place}" for place, node in enumerate(graph.nodes)}
    lines = ["digraph lineage {", "  rankdir=LR;"]
    for node, name in number.items():
        bold = ", penwidth=3" if node == graph.root else ""
        lines.append(f"  {name} [label={json.dumps(_label(node))}, shape={_SHAPES[node.kind][2]}{bold}];")
    lines += [f"  {number[before]} -> {number[after]};" for before, after in graph.edges]
    return "\n".join([*lines, "}"])
