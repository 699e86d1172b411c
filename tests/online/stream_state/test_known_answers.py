"""What a list has said is said again as long as it holds, and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from featurectl.online.base import OnlineView
from featurectl.online.redis.kept_lists import KeptLists
from featurectl.online.stream_state import known_answers
from featurectl.online.stream_state.answers import StreamViewReader
from featurectl.online.stream_state.base import EntityList
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.known_answers import NEVER_US, KnownAnswers, ReadValues, hold_lists
from featurectl.online.stream_state.list_columns import ListColumns
from featurectl.online.stream_state.received_lists import ReceivedList, kept_list
from featurectl.online.stream_state.record import pack_record
from tests.online.stream_state.events import SECOND, Stream, compacted
from tests.online.stream_state.test_joined_lists import alone, bits, streams_of
from tests.seeds import seeds_from

SAMPLE, WHOLE = 10, 1_000
LIST = EntityList(elements=[b"\x81" + bytes(100), b"\x01" + bytes(40)], marks=None)
ANSWER = ReadValues([1, 2.5], 50, 100, 200)


def reader_of(stream: Stream) -> StreamViewReader:
    view = stream.view
    features = {feature.name: feature.dtype or "" for feature in view.features}
    online = OnlineView(
        project="p", env="dev", view=view.name, version=1, keys={"carrier": "string"}, features=features,
        versioned_by="computed",
    )  # fmt: skip
    return StreamViewReader(view, online, stream.layout)


def step(stream: Stream, elements: list[bytes]) -> list[bytes]:
    """What a list is a moment later: events came, a partition was applied, a compactor ran, or nothing."""
    dice = stream.random.random()
    if dice < 0.3:
        return [*elements, *(pack_record(stream.record(event), stream.layout) for event in stream.claim())]
    if dice < 0.6:
        stream.clock_us += stream.random.randrange(SECOND)
        stream.apply()
    elif dice < 0.7 and elements:
        applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
        return compacted(compact(elements, stream.layout, applied))
    return elements


def compare(seed: int) -> tuple[int, int]:
    """See that a reader which remembers says what the lists say; return how many answers, and how many were known."""
    streams = streams_of(seed)
    reader, known = reader_of(streams[0]), KnownAnswers.find_all
    lists: list[list[bytes]] = [[] for _ in streams]
    read, remembered = 0, 0

    def counted(self: KnownAnswers, *of: Any) -> list[ReadValues | None]:
        nonlocal remembered
        answers = known(self, *of)
        remembered += len(answers) - answers.count(None)
        return answers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KnownAnswers, "find_all", counted)
        for _ in range(40):
            lists = [step(stream, elements) for stream, elements in zip(streams, lists, strict=True)]
            random, clocks_us = streams[0].random, [stream.clock_us for stream in streams]
            asof_us = random.choice([min(stream.asof_us for stream in streams), max(clocks_us)])  # or all is applied
            found = [EntityList(elements=[*elements], marks=None) for elements in lists]
            many = reader.values_of_many(found, asof_us)
            rows = many.rows() if isinstance(many, ListColumns) else many
            for one, stream, each in zip(rows, streams, found, strict=True):
                answer, wanted = one or reader.values(each, asof_us), alone(stream, each, asof_us)
                if answer is not None:
                    assert bits(answer.values) == bits(wanted.values), seed
                    assert answer[1:3] == wanted[1:3], seed
                    answer.values.append(None)  # what is answered is the caller's own
                    read += 1
    return read, remembered


@pytest.mark.sample(5)
@pytest.mark.parametrize("seed", seeds_from(0, SAMPLE))
def test_a_reader_that_remembers_says_what_the_lists_say(seed: int):
    compare(seed)


@pytest.mark.stress
def test_a_reader_that_remembers_says_what_the_lists_say_in_many_views():
    counts = [compare(seed) for seed in seeds_from(SAMPLE, WHOLE)]
    assert sum(read for read, _ in counts) > 50_000
    assert sum(remembered for _, remembered in counts) > 5_000


def find(known: KnownAnswers, found: EntityList, asof_us: int) -> ReadValues | None:
    """What is known of a list."""
    [answer] = known.find_all(known.names([found]), [found], asof_us)
    return answer


def keep(known: KnownAnswers, found: EntityList, answer: ReadValues) -> None:
    """Keep an answer of a list that was asked for before."""
    known.keep(found, answer)
    known.keep(found, answer)


def test_an_answer_of_a_list_that_is_read_once_is_not_kept():
    known = KnownAnswers()
    known.keep(LIST, ANSWER)
    assert find(known, LIST, 100) is None
    known.keep(LIST, ANSWER)
    assert find(known, LIST, 100) == ANSWER


def test_a_list_that_was_read_some_while_ago_is_kept_when_it_is_read_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(50_000))
    known = KnownAnswers()
    for found in (LIST, *(EntityList(elements=[b"\x81%07d" % i], marks=None) for i in range(20)), LIST):
        assert find(known, found, 100) is None
        known.keep(found, ANSWER)
    assert find(known, LIST, 100) == ANSWER


def test_lists_that_are_read_once_displace_little(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(100_000))
    known = KnownAnswers()
    keep(known, LIST, ANSWER)
    for i in range(150):
        known.keep(EntityList(elements=[b"\x81%07d" % i + bytes(1_000)], marks=None), ANSWER)
    assert find(known, LIST, 100) == ANSWER


def test_an_answer_of_a_list_that_is_kept_is_held_at_once():
    known, found = KnownAnswers(), EntityList(elements=kept_list(LIST.elements), marks=None)
    known.keep(found, ANSWER)
    assert find(known, found, 100) == ANSWER
    assert find(known, LIST, 100) == ANSWER


def test_of_lists_in_memory_that_is_used_again_nothing_is_held():
    known, kept = KnownAnswers(), kept_list(LIST.elements)
    assert kept.of is not None
    new = EntityList(elements=ReceivedList(kept.of, 0, len(kept), kept.size), marks=None)
    assert known.names([new]) == [None]
    keep(known, new, ANSWER)
    assert (find(known, new, 100), find(known, LIST, 100)) == (None, None)
    assert known.worth([None], [new], [0]) == ()


def test_what_is_held_of_kept_lists_takes_as_much_room_as_of_others(monkeypatch: pytest.MonkeyPatch):
    counts = []
    for kind in (list, kept_list):
        monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(100_000))
        known, lists = KnownAnswers(), [[b"\x81%07d" % i + bytes(2_000), bytes(50)] for i in range(99)]
        found = [EntityList(elements=kind(elements), marks=None) for elements in lists]
        for one in found:
            keep(known, one, ANSWER)
        counts.append(sum(find(known, one, 100) is not None for one in found))
    assert counts[0] == counts[1] < 45


def test_lists_that_are_kept_and_those_that_were_read_before_are_worth_it():
    known, kept = KnownAnswers(), EntityList(elements=kept_list([b"\x81 kept"]), marks=None)
    others = [EntityList(elements=[b"\x81%d" % number], marks=None) for number in range(4)]
    known.keep(others[2], ANSWER)
    found: list[EntityList | None] = [others[0], kept, None, others[1], others[2], others[3]]
    names = known.names(found)
    assert sorted(known.worth(names, found, [0, 1, 3, 4])) == [1, 4]
    assert sorted(known.worth(names, found, [0, 1, 3, 4, 5])) == [0, 1, 3, 4]
    assert known.worth(names, found, []) == ()


def test_an_answer_is_known_from_its_instant_until_one():
    known = KnownAnswers()
    assert find(known, LIST, 100) is None
    keep(known, LIST, ANSWER)
    assert [find(known, LIST, asof_us) for asof_us in (99, 200)] == [None, None]
    assert find(known, LIST, 100) == ANSWER
    assert find(known, EntityList(elements=[*LIST.elements], marks=None), 199) == ANSWER._replace(asof_us=199)


def test_an_answer_is_known_of_the_same_bytes_alone():
    known = KnownAnswers()
    keep(known, LIST, ANSWER)
    head, record = LIST.elements
    others = [[head], [head, record, record], [head[:-1] + b"\1", record], [head, record[:-1] + b"\1"], []]
    assert [find(known, LIST._replace(elements=other), 100) for other in others] == [None] * 5
    assert find(KnownAnswers(), LIST, 100) is None  # of another view


def test_an_answer_that_marks_may_change_is_not_kept():
    known, head = KnownAnswers(), EntityList(elements=LIST.elements[:1], marks={0: 1})
    keep(known, LIST._replace(marks={0: 1}), ANSWER)
    assert find(known, LIST, 100) is None
    keep(known, LIST, ANSWER)
    assert find(known, LIST._replace(marks={0: 1}), 100) is None
    keep(known, head, ANSWER)
    assert find(known, head._replace(marks={0: 2}), 100) == ANSWER  # a head counts whatever marks there are


def test_an_answer_whose_end_is_not_known_is_not_kept():
    known = KnownAnswers()
    keep(known, LIST, ANSWER._replace(until_us=0))
    assert find(known, LIST, 100) is None


def test_what_is_held_is_bounded_and_what_is_asked_for_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(100_000))
    known, lists = KnownAnswers(), [
        EntityList(elements=[b"\x81%07d" % i + bytes(1_000)], marks=None) for i in range(1_000)
    ]  # fmt: skip
    for found in lists:
        keep(known, found, ANSWER._replace(until_us=NEVER_US))
        assert find(known, lists[0], 100) is not None
    held = sum(find(known, found, 100) is not None for found in lists)
    assert 55 < held <= 58  # as many as there is room for
    large = EntityList(elements=[b"\x81" + bytes(60_000)], marks=None)
    keep(known, large, ANSWER)
    assert find(known, large, 100) is None


def test_memory_of_lists_is_for_what_was_read_and_what_was_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(1_000))
    hold_lists(100_000)
    assert (known_answers.HELD.most, KeptLists().most, KeptLists(500).most) == (50_000, 50_000, 500)


def test_without_memory_nothing_is_known(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_answers, "HELD", known_answers.HeldAnswers(1_000))
    hold_lists(0)
    known, kept = KnownAnswers(), KeptLists()
    keep(known, LIST, ANSWER)
    kept.keep(b"key", [b"x" * 2_000])
    assert (find(known, LIST, 100), kept.find(b"key")) == (None, None)
