"""Constant parts of a tree, settled once: engines fold constants by their own rules, so they never see one."""

from __future__ import annotations

from dataclasses import replace

from featurectl.core.dtypes import FLOAT64
from featurectl.expressions.row import build_closure
from featurectl.expressions.syntax import MAX_CHARACTERS
from featurectl.expressions.tree import ExpressionError, ExpressionNode


def settle(node: ExpressionNode) -> ExpressionNode:
    """Return an equal node in which no operation has only literals, and none is decided by a literal.

    What is decided: `coalesce` at a literal that is not null, `case` at a literal condition, `and` at false, `or` at
    true. The operands are settled already.

    Raises:
        ExpressionError: a constant text is too long.
    """
    if all(arg.op == "lit" for arg in node.args):
        return _folded(node)
    match node.op:
        case "coalesce":
            return _coalesce(node)
        case "case":
            return _case(node)
        case "and" | "or":
            return _logic(node)
        case _:
            return node


def _folded(node: ExpressionNode) -> ExpressionNode:
    finite = ExpressionNode("clean", FLOAT64, (node,)) if node.dtype == FLOAT64 else node
    value = build_closure(finite, {})(())
    if isinstance(value, str) and len(value) > MAX_CHARACTERS:
        raise ExpressionError(f"a constant text of more than {MAX_CHARACTERS:,} characters", node.start, node.end)
    return ExpressionNode("lit", node.dtype, (), value, node.start, node.end)


def _coalesce(node: ExpressionNode) -> ExpressionNode:
    args: list[ExpressionNode] = []
    for arg in node.args:
        if arg.op != "lit" or arg.value is not None:
            args.append(arg)
        if arg.op == "lit" and arg.value is not None:
            break
    return args[0] if len(args) == 1 else replace(node, args=tuple(args))


def _case(node: ExpressionNode) -> ExpressionNode:
    args: list[ExpressionNode] = []
    otherwise = node.args[-1]
    for condition, value in zip(node.args[:-1:2], node.args[1:-1:2], strict=True):
        if condition.op != "lit":
            args += (condition, value)
        elif condition.value is True:
            otherwise = value
            break
    return replace(node, args=(*args, otherwise)) if args else otherwise


def _logic(node: ExpressionNode) -> ExpressionNode:
    decisive = node.op == "or"
    left, right = node.args
    for one, other in ((left, right), (right, left)):
        if one.op == "lit" and one.value is not None:
            return one if one.value is decisive else other
    return node
