"""A forest as flat tables, in which every tree is a list of tests and each test knows the leaves that it rules out.

The leaves of a tree are numbered from left to right. A test that holds for a row leads to the right, so the row does
not end in a leaf of the left side; where it does not hold nothing is ruled out. Of the leaves that are left after all
tests the first one is where the row ends. (Lucchese et al., "QuickScorer", SIGIR 2015.) Tests need no order, so many
rows take one test together, without a branch; tests of a tree that ask the same thing become one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from featurectl.models.conversion.graph import Link

WORD: Final = 32  # leaves
MOST_LEAVES: Final = 512  # of a tree: beyond them following the branches is faster
SLOTS: Final = 0x077CB531  # times a power of two: its upper five bits are another number for each
_ALL: Final = 0xFFFFFFFF


class Mode(IntEnum):
    """How a node compares, as ONNX numbers it."""

    AT_MOST = 0
    BELOW = 1
    ABOVE = 3
    MEMBER = 6


class Kind(IntEnum):
    """What a test asks of a value, and whether it holds for NaN."""

    ABOVE = 0
    ABOVE_OR_NAN = 1
    AT_LEAST = 2
    AT_LEAST_OR_NAN = 3
    MEMBER = 4
    MEMBER_OR_NAN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode:
    """A split: `yes` and `no` are (index, whether it is a leaf). `missing`: NaN passes the test."""

    feature: int
    mode: Mode
    threshold: float
    members: frozenset[int]
    missing: bool
    yes: tuple[int, bool]
    no: tuple[int, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNodes:
    """A forest as its file has it: `base` is added to the sum; `is_single`: sums are float32, else doubles."""

    nodes: Sequence[TreeNode]
    leaves: Sequence[float]
    roots: Sequence[int]
    base: float
    link: Link
    is_single: bool


class Tests(NamedTuple):
    """The tests of a forest, a row each, tree by tree and by kind.

    `masks` has the leaves that stay in the word `places` of the tree's leaves where the test holds. `sets` is where the
    members of a test begin in `bits` (bit c: c is one of them), in words, and how many words they are.
    """

    columns: npt.NDArray[np.int32]
    thresholds: npt.NDArray[np.float32]
    places: npt.NDArray[np.int32]
    masks: npt.NDArray[np.uint32]
    sets: npt.NDArray[np.int32]
    bits: npt.NDArray[np.uint32]


class Trees(NamedTuple):
    """The trees of a forest, a row each: `ends` is where its first test stands, then where those of each kind end.

    `words` is where its values begin in `leaves`, in words, and how many words they are. The type of `leaves` is that
    of the sums.
    """

    ends: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]
    leaves: npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestTables:
    """A forest laid out, with what is added to the sum of its leaves and what becomes of that."""

    tests: Tests
    trees: Trees
    base: float
    link: Link


class TooManyLeavesError(Exception):
    """A tree has more leaves than this way of scoring is good for."""

    def __init__(self) -> None:
        super().__init__(f"it has trees of more than {MOST_LEAVES} leaves")


@dataclass(frozen=True, slots=True)
class _Test:
    """What is asked of a row."""

    kind: Kind
    feature: int
    threshold: float
    members: frozenset[int]


def lay_out(forest: TreeNodes) -> ForestTables:
    """Return the tables of a forest.

    Raises:
        TooManyLeavesError: a tree has more than 512.
    """
    rows: list[tuple[_Test, int, int]] = []
    ends, words, leaves, first = [], [], [], 0
    for root in forest.roots:
        tests, values = _tree(forest, root)
        begin = len(rows)
        for kind in Kind:
            rows += [row for row in tests if row[0].kind is kind]
            ends.append(len(rows))
        ends.insert(len(ends) - len(Kind), begin)
        count = -(-len(values) // WORD)
        words.append((first, count))
        leaves.append(_in_slots(values, count))
        first += count
    number = np.float32 if forest.is_single else np.float64
    trees = Trees(
        ends=np.array(ends, dtype=np.int32).reshape(len(forest.roots), len(Kind) + 1),
        words=np.array(words, dtype=np.int32).reshape(len(forest.roots), 2),
        leaves=np.concatenate([np.empty(0), *leaves]).astype(number),
    )
    return ForestTables(tests=_table(rows), trees=trees, base=forest.base, link=forest.link)


def _table(rows: Sequence[tuple[_Test, int, int]]) -> Tests:
    sets, bits = _sets([test for test, _, _ in rows])
    return Tests(
        columns=np.array([test.feature for test, _, _ in rows], dtype=np.int32),
        thresholds=np.array([test.threshold for test, _, _ in rows], dtype=np.float32),
        places=np.array([place for _, place, _ in rows], dtype=np.int32),
        masks=np.array([mask for _, _, mask in rows], dtype=np.uint32),
        sets=sets,
        bits=bits,
    )


def _tree(forest: TreeNodes, root: int) -> tuple[list[tuple[_Test, int, int]], list[float]]:
    """Return the tests of a tree with a word of leaves and the mask of those that stay, and its leaves in order."""
    ruled_out: dict[_Test, int] = defaultdict(int)
    values: list[float] = []
    for test, first, last in _walk(forest, root, values):
        ruled_out[test] |= (1 << last) - (1 << first)
    places = range(-(-len(values) // WORD))
    parts = ((test, place, out >> place * WORD & _ALL) for test, out in ruled_out.items() for place in places)
    return [(test, place, _ALL ^ part) for test, place, part in parts if part], values


def _walk(forest: TreeNodes, root: int, values: list[float]) -> Iterator[tuple[_Test, int, int]]:
    """Give each test with the first leaf of its left side and the one after its last; leaves are put into `values`."""
    waiting: list[tuple[tuple[int, bool], tuple[_Test, int] | None]] = [((root, False), None)]
    while waiting:
        (place, is_leaf), left_of = waiting.pop()
        if left_of is not None:  # the left side of that test is done
            yield *left_of, len(values)
        if is_leaf:
            if len(values) == MOST_LEAVES:
                raise TooManyLeavesError
            values.append(forest.leaves[place])
            continue
        node = forest.nodes[place]
        left, right = _sides(node)
        waiting.append((right, (_test(node), len(values))))
        waiting.append((left, None))


def _sides(node: TreeNode) -> tuple[tuple[int, bool], tuple[int, bool]]:
    return (node.yes, node.no) if node.mode in (Mode.AT_MOST, Mode.BELOW) else (node.no, node.yes)


def _test(node: TreeNode) -> _Test:
    """Return what leads to the right."""
    match node.mode:
        case Mode.AT_MOST:
            kind = Kind.ABOVE if node.missing else Kind.ABOVE_OR_NAN
        case Mode.BELOW:
            kind = Kind.AT_LEAST if node.missing else Kind.AT_LEAST_OR_NAN
        case Mode.ABOVE:
            kind = Kind.ABOVE_OR_NAN if node.missing else Kind.ABOVE
        case Mode.MEMBER:
            kind = Kind.MEMBER_OR_NAN if node.missing else Kind.MEMBER
    is_least = kind in (Kind.AT_LEAST, Kind.AT_LEAST_OR_NAN)
    threshold = float(single_at_least(node.threshold) if is_least else single_at_most(node.threshold))
    return _Test(kind, node.feature, 0.0 if node.members else threshold, node.members)


def single_at_most(value: float) -> np.float32:
    """Return the greatest float32 that is not above a double: a float32 is above one exactly if above the other."""
    with np.errstate(over="ignore"):
        near = np.float32(value)
    return np.nextafter(near, np.float32(-np.inf)) if float(near) > value else near


def single_at_least(value: float) -> np.float32:
    """Return the least float32 that is not below a double."""
    return np.float32(-single_at_most(-value))


def _in_slots(values: Sequence[float], words: int) -> npt.NDArray[np.float64]:
    """Return the leaves of a tree where the kernel looks for them: at the upper bits of SLOTS times the leaf's bit."""
    table = np.zeros(words * WORD)
    for number, value in enumerate(values):
        word, bit = divmod(number, WORD)
        table[word * WORD + ((SLOTS << bit & _ALL) >> 27)] = value
    return table


def _sets(tests: Sequence[_Test]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint32]]:
    """Return where the bits of each test's members begin with their words, and all bits; equal sets lie there once."""
    known: dict[frozenset[int], tuple[int, int]] = {frozenset(): (0, 0)}
    bits: list[int] = []
    for members in (test.members for test in tests):
        if members not in known:
            words = max(members) // WORD + 1
            known[members] = (len(bits), words)
            bits += [sum(1 << code % WORD for code in members if code // WORD == word) for word in range(words)]
    sets = [known[test.members] for test in tests]
    return np.array(sets, dtype=np.int32).reshape(len(tests), 2), np.array(bits, dtype=np.uint32)
