"""GitHub's hash of a line: the vectors are those of the tests of its upload action."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.cli.render.line_hash import line_hashes

GREETINGS = [
    "e9496ae3ebfced30:1",
    "fb7c023a8b9ccb3f:1",
    "ce8ba1a563dcdaca:1",
    "e20e36e16fcb0cc8:1",
    "b3edc88f2938467e:1",
    "c8e28b0b4002a3a0:1",
    "c129715d7a2bc9a3:1",
]


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (
            " a\nb\n  \t\tc\n d",
            ["271789c17abda88f:1", "54703d4cd895b18:1", "180aee12dab6264:1", "a23a3dc5e078b07b:1"],
        ),
        (" hello; \t\nworld!!!\n\n\n  \t\tGreetings\n End\n", GREETINGS),
        (" hello; \t\nworld!!!\r\r\r  \t\tGreetings\r End\r", GREETINGS),
        (" hello; \t\r\nworld!!!\r\n\r\n\r\n  \t\tGreetings\r\n End\r\n", GREETINGS),
        (" hello; \t\nworld!!!\r\n\n\r  \t\tGreetings\r End\r\n", GREETINGS),
        (
            "Lorem ipsum dolor sit amet.\n" * 10,
            [
                *(f"a7f2ff13bc495cf2:{n}" for n in range(1, 7)),
                "a7f2ff1481e87703:1",
                "a9cf91f7bbf1862b:1",
                "55ec222b86bcae53:1",
                "cc97dc7b1d7d8f7b:1",
                "c129715d7a2bc9a3:1",
            ],
        ),
    ],
)
def test_lines_have_the_hashes_that_github_computes(text, hashes):
    assert line_hashes(text) == hashes


def naive(text):
    """Each line's first hundred characters folded one by one."""
    units = [ord(char) for char in text if char not in " \t"] + [0xFFFF]
    starts = [0, *(n + 1 for n, unit in enumerate(units) if unit == 10)]
    found = []
    for start in starts:
        value = 0
        for unit in (units[start:] + [0] * 100)[:100]:
            value = (value * 37 + unit) % 2**64
        found.append(f"{value:x}")
    return [f"{value}:{found[: n + 1].count(value)}" for n, value in enumerate(found)]


@given(st.text(alphabet="ab \tß\n", max_size=400))
def test_any_text_has_the_hashes_of_folding_each_line_by_itself(text):
    assert line_hashes(text) == naive(text)


def test_a_line_keeps_its_hash_when_lines_come_in_above_it():
    text = "".join(f"key_{n}: value {n}\n" for n in range(30))
    assert line_hashes("# one\n# two\n\n" + text)[3:] == line_hashes(text)


def test_characters_beyond_the_first_plane_count_as_two():
    assert line_hashes("𝛼") == line_hashes("\ud835\udefc")
