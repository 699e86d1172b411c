"""Commands to a store in Redis, and their answers as the types that Redis gives to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from featurectl.online.redis.answers import row_of
from featurectl.online.redis.connect import StoreAddress, open_client, translated
from featurectl.online.redis.trips import RedisCommand, exchange, of_entities, whole

T = TypeVar("T")


class RedisCommands:
    """Sends commands to one server; its failures are errors of ours."""

    def __init__(self, address: StoreAddress) -> None:
        self.address = address
        self.client = open_client(address.url, address.shown)

    def read(self, read: Callable[[object], T], *command: bytes | str | int) -> T:
        """Return the answer of one command, as the type that Redis gives to it."""
        answer = self.ask(*command)
        with translated(self.address):
            return read(answer)

    def ask(self, *command: bytes | str | int) -> object:
        """Return the answer of one command."""
        return self.send([command])[0]

    def send(self, commands: Sequence[RedisCommand], *, is_repeatable: bool = True) -> list[object]:
        """Return the answers of some commands that travel together; the first error among them is raised."""
        with translated(self.address):
            return whole(self.exchange(commands, is_repeatable=is_repeatable))

    def send_about(self, commands: Sequence[RedisCommand]) -> list[object]:
        """Return the answers of some commands about keys of entities; that of one that is no hash is an error."""
        with translated(self.address):
            return of_entities(self.exchange(commands))

    def rows(self, commands: Sequence[RedisCommand]) -> list[bytes | None]:
        """Return the answers of some commands that read rows."""
        answers = self.send_about(commands)
        with translated(self.address):
            return [row_of(answer) for answer in answers]

    def exchange(self, commands: Sequence[RedisCommand], *, is_repeatable: bool = True) -> list[object]:
        """Return the answers of some commands, errors among them.

        Those that are not repeatable are not sent again where they were carried out and the answers can't be told.
        """
        return exchange(self.client, commands, is_repeatable=is_repeatable)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
