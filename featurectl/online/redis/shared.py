"""Round trips that all callers of one event loop share: what is asked for in a turn of the loop travels together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import hiredis
import redis
import redis.asyncio

from featurectl.core.deadlines import Deadlines
from featurectl.online.redis.answers import parsing
from featurectl.online.redis.connect import ReaderClosedError
from featurectl.online.redis.trips import COMMANDS_A_TRIP, RedisCommand, packed

_TRIPS: Final = 4  # under way at once; what comes meanwhile shares the next one
_CANCEL_S: Final = 0.05

_Load = tuple[Sequence[RedisCommand], asyncio.Future[list[object]]]


class SharedTrips:
    """Sends commands of many callers to one server. Nobody waits longer than `budget_s`, whatever the server does."""

    def __init__(self, client: redis.asyncio.Redis, budget_s: float) -> None:
        self._client = client
        self._budget_s = budget_s
        self._waiting: list[_Load] = []
        self._trips: dict[asyncio.Task[None], list[_Load]] = {}
        self._deadlines = Deadlines[asyncio.Future[list[object]]](self._give_up)
        self._called = False
        self._closed = False

    async def send(self, commands: Sequence[RedisCommand], until_s: float | None = None) -> list[object]:
        """Return the answers of some commands, errors among them, by `until_s` of the loop's clock at the latest.

        Raises:
            redis.RedisError: there are no answers.
        """
        if not commands:
            return []
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._budget_s
        due_s = due_s if until_s is None else min(until_s, due_s)
        if len(commands) <= COMMANDS_A_TRIP:
            part = self._enqueue(commands, due_s, loop)
            try:
                return await part
            finally:
                self._deadlines.remove(part)
        starts = range(0, len(commands), COMMANDS_A_TRIP)
        parts = [self._enqueue(commands[start : start + COMMANDS_A_TRIP], due_s, loop) for start in starts]
        try:
            return [answer for part in parts for answer in await part]
        finally:
            self._forget(parts)

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        self._closed = True
        while self._trips:  # Python 3.11 may lose a cancellation that meets the end of a `wait_for`
            for trip in self._trips:
                trip.cancel()
            await asyncio.wait(self._trips, timeout=_CANCEL_S)
        load, self._waiting = self._waiting, []
        _fail(load, ReaderClosedError())
        await self._client.aclose()

    def _give_up(self, part: asyncio.Future[list[object]]) -> None:
        if not part.done():
            part.set_exception(self._late())

    def _forget(self, parts: list[asyncio.Future[list[object]]]) -> None:
        """Wait no more for what is left, be it answers or errors."""
        for part in parts:
            self._deadlines.remove(part)
            if not part.cancel() and not part.cancelled():
                part.exception()

    def _late(self) -> redis.TimeoutError:
        return redis.TimeoutError(f"no answer within {self._budget_s:g} s")

    def _enqueue(
        self, commands: Sequence[RedisCommand], due_s: float, loop: asyncio.AbstractEventLoop
    ) -> asyncio.Future[list[object]]:
        if self._closed:
            raise ReaderClosedError
        future: asyncio.Future[list[object]] = loop.create_future()
        self._waiting.append((commands, future))
        self._deadlines.add(future, due_s)
        if not self._called:
            self._called = True
            loop.call_soon(self._depart)
        return future

    def _depart(self) -> None:
        """Start trips with all that waits, as far as enough are not under way: each starts more when it comes back."""
        self._called = False
        if self._closed:
            return
        self._waiting = [(commands, future) for commands, future in self._waiting if not future.done()]
        while self._waiting and len(self._trips) < _TRIPS:
            load = self._next_load()
            task = asyncio.get_running_loop().create_task(self._trip(load))
            self._trips[task] = load
            task.add_done_callback(self._returned)

    def _next_load(self) -> list[_Load]:
        """Return what travels next, and let it wait no more."""
        taken, size = 1, len(self._waiting[0][0])
        while taken < len(self._waiting) and size + len(self._waiting[taken][0]) <= COMMANDS_A_TRIP:
            size += len(self._waiting[taken][0])
            taken += 1
        load, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return load

    def _returned(self, task: asyncio.Task[None]) -> None:
        _fail(self._trips.pop(task), ReaderClosedError())  # a trip that was cancelled has not answered its callers
        self._depart()

    async def _trip(self, load: list[_Load]) -> None:
        try:
            async with asyncio.timeout(self._budget_s):
                answers = await self._exchange([command for commands, _ in load for command in commands])
        except TimeoutError:
            _fail(load, self._late())
        except Exception as error:  # noqa: BLE001 - it is raised where the answers are waited for
            _fail(load, error)
        else:
            _share(load, answers)

    async def _exchange(self, commands: list[RedisCommand]) -> list[object]:
        """Return the answers of a trip; a connection that broke while idle is opened once more."""
        pool = self._client.connection_pool
        with parsing():
            connection = await pool.get_connection()
        try:
            answers: list[object] = await connection.retry.call_with_retry(
                lambda: _exchange(connection, commands), lambda _: connection.disconnect()
            )
            return answers
        finally:
            await pool.release(connection)


async def _exchange(connection: redis.asyncio.Connection, commands: list[RedisCommand]) -> list[object]:
    await connection.send_packed_command([packed(commands)])
    answers: list[object] = []
    with parsing():
        while len(answers) < len(commands):
            try:
                answers.append(await connection.read_response())
            except redis.ResponseError as error:
                answers.append(error)
            try:
                await _take_arrived(connection, answers, len(commands))
            except BaseException:  # as the client does: what comes next would be taken for other answers
                await connection.disconnect(nowait=True)
                raise
    return answers


async def _take_arrived(connection: redis.asyncio.Connection, answers: list[object], most: int) -> None:
    """Add answers that are here already, without the steps that the client takes for each: of many it saves half."""
    parser: Any = getattr(connection, "_parser", None)
    reader = getattr(parser, "_reader", None)
    if not isinstance(reader, hiredis.Reader):
        return
    while len(answers) < most:
        answer: object = reader.gets()
        if type(answer) is object:  # no whole answer is here
            return
        if isinstance(answer, hiredis.PushNotification):
            await parser.handle_push_response(answer)
            continue
        first = answer[0] if type(answer) is list and answer else answer
        if isinstance(first, redis.ConnectionError):  # LOADING, say
            raise first
        answers.append(answer)


def _share(load: list[_Load], answers: list[object]) -> None:
    """Give every caller its answers; those that have left meanwhile get none."""
    start = 0
    for commands, future in load:
        if not future.done():
            future.set_result(answers[start : start + len(commands)])
        start += len(commands)


def _fail(load: list[_Load], error: Exception) -> None:
    for _, future in load:
        if not future.done():
            future.set_exception(error)
