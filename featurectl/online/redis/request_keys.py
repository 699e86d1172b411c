"""The keys of requests in Redis or Valkey: a hash of a source, and a sorted set of when each began, in one slot.

    <project>/<env>/k:{<source>}          hash: digest of a key -> <begun> <digest of the body> <token> <events>
    <project>/<env>/k:{<source>}/begun    sorted set: digest of a key, by when it was claimed

The token of a request that was carried out is `-`. Both keys expire a day after the last claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, get_args

from featurectl.online.redis.answers import read_names
from featurectl.online.redis.cluster import ClusterCommands
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.connect import translated
from featurectl.online.redis.store import address_of
from featurectl.online.request_keys import KEPT_US, LEASE_US, MOST_KEYS, KeyClaim, KeyStatus, RequestKey
from featurectl.online.stream_state.base import StreamSource

# KEYS: the hash, the sorted set. ARGV: how long a key is kept, and a claim of a token, in microseconds; how many keys
# there are at most; then for each its digest, that of the body, and its token. Returns `<status> <events>` of each.
CLAIM: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local kept, lease, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now - kept), 'LIMIT', 0, 100)
for _, name in ipairs(old) do
    redis.call('HDEL', KEYS[1], name)
    redis.call('ZREM', KEYS[2], name)
end
local found = {}
for at = 4, #ARGV, 3 do
    local name, body, token = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local known, status, events = redis.call('HGET', KEYS[1], name), 'new', '0'
    local begun, of, owner, count
    if known then begun, of, owner, count = string.match(known, '^(%d+) (%S+) (%S+) (%d+)$') end
    if begun and tonumber(begun) > now - kept then
        if of ~= body then status = 'other'
        elseif owner == '-' then status, events = 'done', count
        elseif owner ~= token and tonumber(begun) > now - lease then status = 'busy' end
    end
    if status == 'new' then
        local at_us = string.format('%.0f', now)
        redis.call('HSET', KEYS[1], name, at_us .. ' ' .. body .. ' ' .. token .. ' 0')
        redis.call('ZADD', KEYS[2], at_us, name)
    end
    found[#found + 1] = status .. ' ' .. events
end
local excess = redis.call('ZCARD', KEYS[2]) - most
if excess > 0 then
    for _, name in ipairs(redis.call('ZRANGE', KEYS[2], 0, excess - 1)) do redis.call('HDEL', KEYS[1], name) end
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, excess - 1)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, string.format('%.0f', kept / 1000)) end
return found
"""

# KEYS: the hash, the sorted set. ARGV: for each key its digest, its token, and how many events were sent, or '' where
# the claim is given up. Returns what was changed.
END: Final = """
local changed = 0
for at = 1, #ARGV, 3 do
    local known = redis.call('HGET', KEYS[1], ARGV[at])
    local begun, body, owner
    if known then begun, body, owner = string.match(known, '^(%d+) (%S+) (%S+) %d+$') end
    if owner == ARGV[at + 1] then
        changed = changed + 1
        if ARGV[at + 2] == '' then
            redis.call('HDEL', KEYS[1], ARGV[at])
            redis.call('ZREM', KEYS[2], ARGV[at])
        else
            redis.call('HSET', KEYS[1], ARGV[at], begun .. ' ' .. body .. ' - ' .. ARGV[at + 2])
        end
    end
end
return changed
"""
_CLUSTER: Final = ("redis+cluster://", "rediss+cluster://")
_STATUSES: Final[frozenset[KeyStatus]] = frozenset(get_args(KeyStatus))


class RedisRequestKeys:
    """A `RequestKeys` in a server or a Cluster, by the server's clock."""

    def __init__(self, url: str, shown: str, limit_s: float, most: int = MOST_KEYS) -> None:
        if "socket_timeout=" not in url:  # the URL's own counts
            url += f"{'&' if '?' in url else '?'}socket_timeout={limit_s:g}"
        address = address_of(url, shown)
        self._commands = ClusterCommands(address) if url.startswith(_CLUSTER) else RedisCommands(address)
        self._most = most

    def claim(self, source: StreamSource, keys: Sequence[RequestKey]) -> list[KeyClaim]:
        """Claim keys, one after the other, in one script."""
        words = [word for key in keys for word in (key.name, key.body, key.token)]
        answer = self._run(CLAIM, source, (KEPT_US, LEASE_US, self._most, *words))
        with translated(self._commands.address):
            return [_claim(text.decode()) for text in read_names(answer)]

    def settle(self, source: StreamSource, keys: Sequence[RequestKey], events: Sequence[int]) -> None:
        """Say that requests were carried out."""
        pairs = zip(keys, events, strict=True)
        self._run(END, source, [word for key, number in pairs for word in (key.name, key.token, str(number))])

    def release(self, source: StreamSource, keys: Sequence[RequestKey]) -> None:
        """Give claims up."""
        self._run(END, source, [word for key in keys for word in (key.name, key.token, "")])

    def close(self) -> None:
        """Close the connections."""
        self._commands.close()

    def _run(self, script: str, source: StreamSource, arguments: Iterable[str | int]) -> object:
        key = f"{source.project}/{source.env}/k:{{{source.source}}}"
        return self._commands.ask("EVAL", script, 2, key, f"{key}/begun", *arguments)


def _claim(text: str) -> KeyClaim:
    word, _, events = text.partition(" ")
    status = next(known for known in _STATUSES if known == word)
    return KeyClaim(status=status, events=int(events))
