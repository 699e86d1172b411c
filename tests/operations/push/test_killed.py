"""A push that is killed while it sends, then run again, leaves the store of a push that nobody disturbed."""

from __future__ import annotations

import uuid
from random import Random

import pytest

from tests.operations.push.killed import FIRST, SECOND, content, push, push_with_letters
from tests.seeds import seed_of
from tests.warm import WarmProcess


def run_until(letters, *words):
    """Run the process, kill it after so many letters (None: never), and return those that it wrote."""
    with WarmProcess(push_with_letters, *words) as process:
        said = b""
        while (letters is None or len(said) < letters) and (letter := process.stdout.read(1)):
            said += letter
        if letters is not None:
            process.kill()
        said += process.stdout.readall()
        assert letters is not None or process.wait() == 0
    return said.decode()


def campaign(place_of, kills, kind, first):
    """Kill pushes at points spread over their sending; return how many died while rows were on their way."""
    whole, random = place_of(), Random(seed_of(7))
    if not first:
        push(*whole, kind, FIRST)
    letters = run_until(None, *whole, kind, SECOND)
    assert letters.count("w") > 30
    expected, died = content(*whole), 0
    for number in range(kills):
        place = place_of()
        if not first:
            push(*place, kind, FIRST)
        begin, end = (len(letters) * part // kills for part in (number, number + 1))
        said = run_until(1 + random.randint(begin, max(end - 2, begin)), *place, kind, SECOND)
        died += not said.endswith("e")
        assert content(*place) != expected or said.endswith("e")
        push(*place, kind, SECOND)
        assert content(*place) == expected
    return died


@pytest.fixture(params=["redis", "sqlite", "postgres", "dynamodb"])
def place_of(request, tmp_path):
    """Return a function that gives a new place: a store's address and a project."""
    url = "" if request.param == "sqlite" else request.getfixturevalue(f"{request.param}_url")

    def new():
        name = f"p{uuid.uuid4().hex[:12]}"
        return (url, name) if url else (str(tmp_path / f"{name}.db"), "p")

    return new


@pytest.mark.long
@pytest.mark.parametrize(("kind", "first"), [("state", True), ("event", False)])
def test_a_killed_push_that_is_repeated_leaves_the_store_of_a_whole_one(place_of, kind, first):
    assert campaign(place_of, 2, kind, first) >= 1


@pytest.mark.stress
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("kind", ["state", "event"])
def test_twenty_killed_pushes(place_of, kind, first, capsys):
    died = campaign(place_of, 20, kind, first)
    with capsys.disabled():
        print(f"\n{kind}, {'first' if first else 'later'} push: killed {died} times while rows were on their way")  # noqa: T201  # for who runs it with -s
    assert died >= 15
