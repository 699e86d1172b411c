"""What the server does by itself: writes and removals that look at what is there."""

from __future__ import annotations

from typing import Final

# Sets a field of each of some hashes unless it holds a newer value: one whose bytes `from` to `to` are greater.
# The last key holds the counter of fields that were not there before. Bytes are compared as numbers: how Lua
# compares strings depends on the locale of the server.
WRITE_NEWER: Final = """
local field, from, to, counter = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local added = 0
for i = 1, #KEYS - 1 do
  local new, old = ARGV[i + 4], redis.call('HGET', KEYS[i], field)
  local older = false
  if not old then
    added = added + 1
  else
    for at = from, to do
      local a, b = new:byte(at), old:byte(at)
      if a ~= b then older = a < b; break end
    end
  end
  if not older then redis.call('HSET', KEYS[i], field, new) end
end
if added > 0 and counter ~= '' then redis.call('HINCRBY', KEYS[#KEYS], counter, added) end
return added
"""

# Removes a field of each of some hashes when its bytes `from` on are not greater than those given; counts as above.
REMOVE_UNTIL: Final = """
local field, from, until_, counter = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local removed = 0
for i = 1, #KEYS - 1 do
  local row, later = redis.call('HGET', KEYS[i], field), false
  if row then
    for at = 1, #until_ do
      local a, b = row:byte(from + at - 1), until_:byte(at)
      if a ~= b then later = a > b; break end
    end
    if not later then removed = removed + redis.call('HDEL', KEYS[i], field) end
  end
end
if removed > 0 then redis.call('HINCRBY', KEYS[#KEYS], counter, -removed) end
return removed
"""
