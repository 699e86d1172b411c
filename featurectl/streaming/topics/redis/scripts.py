"""What runs inside of Redis: each script sees one partition as of one moment."""

from __future__ import annotations

from typing import Final

# What our own trimming removed is kept in a group of the stream that nobody reads by: a key of its own would keep the
# script waiting while the slot of both moves to another node.
TRIM_GROUP: Final = "trimmed"

# KEYS: the stream. ARGV: the id to read from, how many entries at most.
# Returns nothing where there is no stream; else how many entries were ever added, how many there are, the last id, the
# first id, the last id that was trimmed and how many were removed by then, and entries.
READ: Final = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then return {{}} end
local function named(list)
    local found = {{}}
    for at = 1, #list, 2 do found[list[at]] = list[at + 1] end
    return found
end
local info, last, removed = named(redis.call('XINFO', 'STREAM', KEYS[1])), '0-0', 0
if info['groups'] > 0 then
    for _, list in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
        local group = named(list)
        if group['name'] == '{TRIM_GROUP}' then
            last, removed = group['last-delivered-id'], tonumber(group['entries-read'] or 0) or 0
        end
    end
end
local entries = {{}}
if tonumber(ARGV[2]) > 0 then entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]) end
return {{info['entries-added'] or -1, info['length'], info['last-generated-id'],
    info['recorded-first-entry-id'] or '0-0', last, removed, entries}}
"""

# KEYS: the stream. ARGV: the id to count from, how many entries at most are counted.
# Returns how many there are, and the id of the last of them; then how many the stream has, its first id and its last.
COUNT_UNREAD: Final = """
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, '0-0', 0, '0-0', '0-0'} end
local found = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if not first[1] or not found[1] then return {0, '0-0', 0, '0-0', '0-0'} end
return {#found, found[#found][1], redis.call('XLEN', KEYS[1]), first[1][1], last[1][1]}
"""

# KEYS: the stream. An empty one is made unless it is there.
MAKE_STREAM: Final = f"""
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('XGROUP', 'CREATE', KEYS[1], '{TRIM_GROUP}', '0-0', 'MKSTREAM', 'ENTRIESREAD', 0)
end
return 1
"""

# KEYS: the hash of a topic. ARGV: the number of partitions, which only grows; an incarnation for a new one.
MAKE_TOPIC: Final = """
redis.call('HSETNX', KEYS[1], 'incarnation', ARGV[2])
if tonumber(redis.call('HGET', KEYS[1], 'partitions') or 0) < tonumber(ARGV[1]) then
    redis.call('HSET', KEYS[1], 'partitions', ARGV[1])
end
return 1
"""

# KEYS: the stream. ARGV: the id below which entries go.
TRIM: Final = f"""
local last = redis.call('XREVRANGE', KEYS[1], '(' .. ARGV[1], '-', 'COUNT', 1)
if not last[1] then return 0 end
local count = redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
local list, info = redis.call('XINFO', 'STREAM', KEYS[1]), {{}}
for at = 1, #list, 2 do info[list[at]] = list[at + 1] end
local removed = (info['entries-added'] or 0) - info['length']
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], '{TRIM_GROUP}', last[1][1], 'ENTRIESREAD', removed)
if type(made) == 'table' and made.err then
    redis.call('XGROUP', 'SETID', KEYS[1], '{TRIM_GROUP}', last[1][1], 'ENTRIESREAD', removed)
end
return count
"""

# KEYS: the leases of a group. Returns them with the server's time.
READ_LEASES: Final = """
local now = redis.call('TIME')
return {redis.call('GET', KEYS[1]) or '', now[1], now[2]}
"""

# KEYS: the leases of a group. ARGV: what they were when they were read, what they become.
REPLACE_LEASES: Final = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""
