"""Lists of generations that are not needed any more: walked, dropped, swept away after a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from featurectl.online.redis.answers import read_names, read_value
from featurectl.online.redis.connect import StoreAddress, store_error
from featurectl.online.redis.stream_keys import list_ends, list_pattern, register_key
from featurectl.online.redis.stream_register import parsed, views_of
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.base import Generation, StreamSource

Send = Callable[[Sequence[RedisCommand]], list[object]]  # the replies, errors among them
Pages = Callable[[str], Iterator[list[bytes]]]  # of the keys that match a pattern


class ListSweeper:
    """The lists of a source's views; `mark_keys` are of what says that they are whole."""

    def __init__(
        self, source: StreamSource, address: StoreAddress, ways: tuple[Send, Pages], mark_keys: Sequence[bytes]
    ) -> None:
        self._source = source
        self._address = address
        self._send, self._pages = ways
        self._mark_keys = mark_keys

    def walk(self, generation: Generation) -> Iterator[Sequence[bytes]]:
        """Yield the entities that have a list of a generation by a scan, some at a time; one may come twice."""
        before, after = list_ends(self._source, generation)
        for keys in self._pages(list_pattern(self._source, generation.view, generation.id)):
            yield [key[len(before) : -len(after)] for key in keys]

    def drop(self, generation: Generation) -> None:
        """Remove the lists of a generation that is neither read nor written, some at a time.

        What says that they are whole goes first, so that nobody takes lists that are gone for empty ones.
        """
        if generation in self._named():
            return
        for key in self._mark_keys:
            self._do([("HDEL", key, f"ready/{generation.name}")])
        for keys in self._pages(list_pattern(self._source, generation.view, generation.id)):
            self._do([("UNLINK", key) for key in keys])
        self._forget_marks(lambda named: named == generation.name)

    def forget(self) -> None:
        """Remove the register, and what says that lists are whole."""
        self._do([("UNLINK", key) for key in (*self._mark_keys, register_key(self._source))])

    def sweeping(self, views: Sequence[str]) -> Iterator[int]:
        """Remove the lists of generations of view versions that the register does not name, a page of keys a step.

        What is named is read after a page of keys: a generation is named before it has lists.
        """
        for view in views:
            for keys in self._pages(list_pattern(self._source, view, "*")):
                named = {of.name.encode() for of in self._named()}
                gone = [key for key in keys if key.rpartition(b"}/")[2] not in named]
                self._do([("UNLINK", key) for key in gone])
                yield len(gone)
        named_now = {of.name for of in self._named()}
        self._forget_marks(lambda name: name.partition("#")[0] in views and name not in named_now)

    def _do(self, commands: Sequence[RedisCommand]) -> None:
        """Have some commands done; the first error is raised."""
        for reply in self._send(commands):
            if isinstance(reply, Exception):
                raise store_error(self._address, reply)

    def _named(self) -> list[Generation]:
        [reply] = self._send([("HGET", register_key(self._source), "views")])
        views = parsed(self._address, lambda text: views_of(read_value(text) or b""), reply)
        return [Generation(view=of.view, id=name) for of in views.values() for name in of.named]

    def _forget_marks(self, is_gone: Callable[[str], bool]) -> None:
        for key in self._mark_keys:
            [reply] = self._send([("HKEYS", key)])
            fields = parsed(self._address, read_names, reply)
            gone = [field for field in fields if is_gone(field.decode(errors="replace").rpartition("/")[2])]
            if gone:
                self._do([("HDEL", key, *gone)])
