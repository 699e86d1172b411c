"""The name that was meant is found among few names and many, in little time."""

import difflib
import time

from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.nearest import nearest

NAME = st.text("abc_1", min_size=1, max_size=12)


@given(NAME, st.lists(NAME, max_size=150))
def test_among_few_names_it_is_the_one_that_difflib_finds(word, known):
    assert nearest(word, known) == next(iter(difflib.get_close_matches(word, known, n=1)), "")


def test_a_typing_error_is_found_among_thousands_of_names_that_are_alike():
    known = [f"entity_number_{number}" for number in range(5_000)]
    begin = time.process_time()
    for number in range(0, 5_000, 50):
        assert nearest(f"entity_nomber_{number}", known) == f"entity_number_{number}"
    assert time.process_time() - begin < 3


def test_endless_names_are_not_compared():
    long = "ab" * 500_000
    begin = time.process_time()
    assert nearest(long, [long, "b" * 50]) == ""
    assert nearest("abx", [long, "abc"]) == "abc"
    assert time.process_time() - begin < 1
