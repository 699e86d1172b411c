"""Several connections at once: an offset has one stamp, a list one compaction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from featurectl.online.stream_state.base import (
    Generation,
    KnownStamps,
    ListAppend,
    ListReplacement,
    ListsAsk,
    digest_of,
)
from tests.online.stream_state.oracle import offsets

GENERATION = Generation(view="spend@1", id="a1")
THREADS, CLAIMS = 4, 25


def all_at_once(*work: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def run(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


@pytest.mark.sample(2)
def test_claims_of_four_connections_never_give_an_offset_two_stamps(opened, source):
    given: list[dict[int, int]] = [{} for _ in range(THREADS)]

    def work(number: int) -> None:
        with closing(opened().connect(source)) as connection:
            register, next_offset = connection.register, 0
            assert register.add_partition("p") == 0
            for _ in range(CLAIMS):
                end = next_offset + 1 + number
                claim = register.claim(0, next_offset, end, KnownStamps())
                assert claim is not None
                stamps = offsets(claim.stamps)
                assert stamps.keys() == {*range(next_offset, end)}
                given[number] |= stamps
                assert register.finish(0, next_offset, end, [])
                next_offset = end

    all_at_once(*(lambda number=number: work(number) for number in range(THREADS)))
    together = {offset: {of[offset] for of in given if offset in of} for of in given for offset in of}
    assert {len(stamps) for stamps in together.values()} == {1}
    in_order = [min(stamps) for _, stamps in sorted(together.items())]
    assert in_order == sorted(in_order)
    with closing(opened().connect(source)) as connection:
        [partition] = connection.register.read_state().partitions
        assert (partition.done, partition.applied) == (THREADS * CLAIMS, in_order[-1])


@pytest.mark.sample(2)
def test_of_two_compactors_one_wins_and_no_element_is_lost(opened, source):
    with closing(opened().connect(source)) as connection:
        cuts = connection.generations.add(GENERATION).cuts
        assert connection.lists.make_ready(GENERATION, connection.lists.seed(GENERATION, []), cuts)
        assert connection.generations.switch(GENERATION)
    won: list[int] = []
    appended = range(150)
    over = threading.Event()

    def append() -> None:
        with closing(opened().connect(source)) as connection:
            for number in appended:
                element = b"\x01%d" % number
                connection.lists.append([ListAppend(generation=GENERATION, entities=[b"k"], elements=[element])])
        over.set()

    def compact() -> None:
        """Keep in the head how many elements it stands for."""
        with closing(opened().connect(source)) as connection:
            while not (over.is_set() and True in won):
                _, [[found]] = connection.lists.read([ListsAsk(view="spend@1", entities=[b"k"])])
                elements = [*found.elements]
                if elements:
                    head = b"\x80%d" % count_of(elements)
                    replacement = ListReplacement(
                        generation=GENERATION,
                        entity=b"k",
                        read=len(elements),
                        digest=digest_of(elements),
                        head=head,
                        left=[],
                        alone=head,
                    )
                    [done] = connection.lists.replace([replacement])
                    won.append(done)

    all_at_once(append, compact, compact)
    with closing(opened().connect(source)) as connection:
        _, [[found]] = connection.lists.read([ListsAsk(view="spend@1", entities=[b"k"])])
    assert count_of(found.elements) == len(appended)


def count_of(elements) -> int:
    """Return how many events a head, where there is one, and the records behind it stand for."""
    return sum(int(element[1:]) if element[0] == 0x80 else 1 for element in elements)
