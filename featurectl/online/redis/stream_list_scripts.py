"""What the server does by itself with the lists of a source's views, and with what says that they are whole."""

from __future__ import annotations

from typing import Final

# Puts a head before the elements of a list that has none: the first byte of a head is 128 or more.
SEED: Final = """
local first = redis.call('LINDEX', KEYS[1], 0)
if first and #first > 0 and first:byte(1) >= 128 then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[1])
return 1
"""

# Replaces the first elements of a list, of which the number and the SHA-1 are given, by a head and what is left.
# Where nothing is left and stands behind, by another head, if there is one ('1'): else the list is removed.
REPLACE: Final = """
local call, key, number = redis.call, KEYS[1], tonumber(ARGV[1])
local read, parts = call('LRANGE', key, 0, number - 1), {}
if number == 0 or #read < number then return 0 end
for at = 1, number do
  local place = 3 * at
  parts[place - 2], parts[place - 1], parts[place] = #read[at], ':', read[at]
end
if redis.sha1hex(table.concat(parts)) ~= ARGV[2] then return 0 end
if call('LLEN', key) == number then
  call('DEL', key)
  if #ARGV == 5 then
    if ARGV[3] == '1' then call('RPUSH', key, ARGV[5]) end
    return 1
  end
  call('RPUSH', key, ARGV[4])
  for at = 6, #ARGV, 4000 do call('RPUSH', key, unpack(ARGV, at, math.min(at + 3999, #ARGV))) end
else
  call('LTRIM', key, number, -1)
  for at = #ARGV, 6, -1 do call('LPUSH', key, ARGV[at]) end
  call('LPUSH', key, ARGV[4])
end
return 1
"""

# Marks that a master has all records of a partition up to an offset, for pairs of a generation and its cut.
MARK: Final = """
local first, fin = tonumber(ARGV[2]), tonumber(ARGV[3])
for at = 4, #ARGV, 2 do
  local field = 'mark/' .. ARGV[1] .. '/' .. ARGV[at]
  local there = tonumber(redis.call('HGET', KEYS[1], field) or ARGV[at + 1])
  if first > there then return 0 end
  redis.call('HSET', KEYS[1], field, string.format('%.0f', math.max(there, fin)))
end
return 1
"""

# Says that a master has all heads of a generation, where that many were seeded; marks are not before the cuts then.
MAKE_READY: Final = """
local name, call, key = ARGV[1], redis.call, KEYS[1]
if (call('HGET', key, 'heads/' .. name) or '0') ~= ARGV[2] then return 0 end
for at = 3, #ARGV, 2 do
  local field = 'mark/' .. ARGV[at] .. '/' .. name
  local there = tonumber(call('HGET', key, field) or '0')
  call('HSET', key, field, string.format('%.0f', math.max(there, tonumber(ARGV[at + 1]))))
end
call('HSET', key, 'ready/' .. name, '1')
return 1
"""
