"""Bytes that no worker has written are an error of the store, whatever they are."""

from __future__ import annotations

from random import Random

import pytest

from featurectl.core.errors import DataError, StoreError
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import layout_document, parse_layout
from featurectl.online.stream_state.list_values import ListReader
from featurectl.online.stream_state.parsed_list import parse_list
from featurectl.online.stream_state.record import pack_record
from tests.online.stream_state.events import Stream, compacted, random_stream
from tests.seeds import seeds_from


def elements_of(stream: Stream) -> list[bytes]:
    """A head, and records behind it."""
    for _ in range(30):
        stream.claim()
        stream.apply()
    elements = [pack_record(stream.record(event), stream.layout) for event in stream.events]
    applied = AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=stream.clock_us)
    return compacted(compact(elements, stream.layout, applied))


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes with some changed, cut, or others behind them."""
    if random.random() < 0.3:
        return data[: random.randrange(len(data) + 1)]
    if random.random() < 0.2:
        return data + random.randbytes(random.randrange(1, 4))
    changed = bytearray(data)
    for _ in range(random.randrange(1, 4)):
        changed[random.randrange(len(data))] = random.randrange(256)
    return bytes(changed)


@pytest.mark.parametrize("seed", seeds_from(0, 200))
@pytest.mark.sample(4)
def test_damaged_elements_give_an_error_of_the_store_or_an_answer(seed: int):
    stream = random_stream(seed)
    elements, random = elements_of(stream), Random(seed)
    reader, errors = ListReader(stream.view.features, stream.layout), 0
    for _ in range(60):
        place = random.choice([0, random.randrange(len(elements))])
        broken = [*elements[:place], damaged(random, elements[place]), *elements[place + 1 :]]
        try:
            reader.answer(parse_list(broken, stream.layout), stream.clock_us)
            compact(
                broken, stream.layout, AppliedInstants(applied_us=stream.applied_us, asof_us=stream.asof_us, clock_us=1)
            )
        except (StoreError, DataError):
            errors += 1
    assert errors > 0


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format":2}', '{"format":1,"inputs":[["a","varchar"]]}'])
def test_another_document_is_no_layout(text: str):
    with pytest.raises(StoreError):
        parse_layout(text)


def test_a_layout_of_another_type_of_key_is_none():
    document = layout_document(random_stream(0).layout)
    for text in (document.replace('"left"', '"middle"'), document.replace('"span_us":', '"span_us":-')):
        with pytest.raises(StoreError, match="layout"):
            parse_layout(text)
