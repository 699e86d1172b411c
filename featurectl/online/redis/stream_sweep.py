"""Lists of generations that are not needed any more: walked, dropped, swept away after a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from featurectl.online.redis.answers import read_names, read_value
from featurectl.online.redis.connect import StoreAddress, store_error
from featurectl.online.redis.stream_keys import list_ends, list_pattern, register_key, register_pattern
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

    def drop(self, generation: Generation, is_ending: Callable[[], bool]) -> None:
        """Remove the lists of a generation that is neither read nor written, some at a time, until `is_ending`.

        What says that they are whole goes first, so that nobody takes lists that are gone for empty ones.
        """
        if generation in self._named():
            return
        for key in self._mark_keys:
            self._do([("HDEL", key, f"ready/{generation.name}")])
        for keys in self._pages(list_pattern(self._source, generation.view, generation.id)):
            self._do([("UNLINK", key) for key in keys])
            if is_ending():
                return
        self._forget_marks(lambda name: name == generation.name)

    def forget(self) -> None:
        """Remove the register, and what says that lists are whole."""
        self._do([("UNLINK", key) for key in (*self._mark_keys, register_key(self._source))])

    def sweeping(self, views: Sequence[str]) -> Iterator[int]:
        """Remove the lists of generations of view versions that no register names, a page of keys a step.

        A key does not say of which source a list is, and a view may read another one by now, whose register names its
        generations. So it looks which have lists, and then what all registers name: a generation is named before it has
        lists, and is never named again. What says that lists are whole goes first, as in `drop`.
        """
        self._forget_marks(lambda name: name.partition("#")[0] in views)
        found: set[bytes] = set()
        for view in views:
            for keys in self._pages(list_pattern(self._source, view, "*")):
                found.update(key.rpartition(b"}/")[2] for key in keys)
                yield 0
        for name in sorted(found - self._named_by_any()):
            view, _, of = name.decode(errors="replace").partition("#")
            for keys in self._pages(list_pattern(self._source, view, of)):
                self._do([("UNLINK", key) for key in keys])
                yield len(keys)

    def _do(self, commands: Sequence[RedisCommand]) -> None:
        """Have some commands done; the first error is raised."""
        for reply in self._send(commands):
            if isinstance(reply, Exception):
                raise store_error(self._address, reply)

    def _named(self) -> list[Generation]:
        return self._named_by([register_key(self._source)])

    def _named_by_any(self) -> set[bytes]:
        """Return the names of all generations that the registers of the environment name."""
        found = {of.name.encode() for of in self._named()}  # a scan may miss a key whose slot moves to another node
        for keys in self._pages(register_pattern(self._source)):
            found.update(of.name.encode() for of in self._named_by(keys))
        return found

    def _named_by(self, registers: Sequence[bytes]) -> list[Generation]:
        replies = self._send([("HGET", key, "views") for key in registers])
        views = [parsed(self._address, lambda text: views_of(read_value(text) or b""), reply) for reply in replies]
        return [Generation(view=of.view, id=name) for found in views for of in found.values() for name in of.named]

    def _forget_marks(self, is_chosen: Callable[[str], bool]) -> None:
        """Remove what is said of generations that are chosen by their names, and that the register does not name.

        What is named is read after the fields: a generation is named before anything is said of it.
        """
        for key in self._mark_keys:
            [reply] = self._send([("HKEYS", key)])
            fields = parsed(self._address, read_names, reply)
            named = {of.name for of in self._named()} if fields else set()
            names = {field: field.decode(errors="replace").rpartition("/")[2] for field in fields}
            gone = [field for field, name in names.items() if is_chosen(name) and name not in named]
            if gone:
                self._do([("HDEL", key, *gone)])
