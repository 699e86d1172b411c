"""What the server does by itself: writes and removals that look at what is there."""

from __future__ import annotations

from typing import Final

# Sets a field of each of some hashes unless it holds a newer value: one whose bytes `from` to `to` are greater.
# The last key holds the counter of fields that were not there before, and in the field `writer` who claimed the rows
# last (CLAIM): a call with that token need not look at what is there. Rows expire at an instant of Unix time in ms, if
# one is given. Bytes are compared as numbers: how Lua compares
# strings depends on the locale of the server.
WRITE_NEWER: Final = """
local call, byte, keys, args = redis.call, string.byte, KEYS, ARGV
local field, from, to, counter = args[1], tonumber(args[2]), tonumber(args[3]), args[4]
local home, added, expiry = keys[#keys], 0, args[7]
local function set(key, row)
  local new = call('HSET', key, field, row)
  if expiry ~= '' then call('HPEXPIREAT', key, expiry, 'FIELDS', 1, field) end
  return new
end
local owner = args[6] ~= '' and call('HGET', home, args[5])
if owner and owner:sub(1, #args[6]) == args[6] then
  for i = 1, #keys - 1 do added = added + set(keys[i], args[i + 7]) end
else
  for i = 1, #keys - 1 do
    local new, old, older = args[i + 7], call('HGET', keys[i], field), false
    if not old then
      added = added + 1
    else
      for at = from, to do
        local a, b = byte(new, at), byte(old, at)
        if a ~= b then older = a < b; break end
      end
    end
    if not older then set(keys[i], new) end
  end
end
if added > 0 and counter ~= '' then call('HINCRBY', home, counter, added) end
return added
"""

# Names the writer of a view version's rows, so that whoever had them before compares from now on, and returns 1 if
# nothing that is there can be newer than what this one brings. Kept are its token of 8 bytes, the greatest instant
# ever claimed in 7, and the table: its version and rebuild, `*` after writers of several.
# An instant not before the greatest one is enough where rows are ordered by it (`order` is "computed"); else the table
# must be that of all before too, in no older a version: what is added to a table only makes its newest rows newer.
# A writer without a table may bring anything: the greatest instant there is stands for it.
CLAIM: Final = """
local home, writer, token, at, order = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local version, rebuild, counter = tonumber(ARGV[5]), ARGV[6], ARGV[7]
local function less(a, b)
  for i = 1, #a do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return false
end
local old = redis.call('HGET', home, writer)
local free, greatest = false, at
if old then
  local last, table_ = old:sub(9, 15), old:sub(16)
  local last_version, last_rebuild = table_:match('^(%d+):(.*)$')
  local same = rebuild == last_rebuild
  free = not less(at, last) and (order == 'computed' or (same and version >= tonumber(last_version)))
  if less(at, last) then greatest = last end
  if same then version = math.max(version, tonumber(last_version)) end
  if not same and not free then rebuild = '*' end
elseif tonumber(redis.call('HGET', home, counter) or '0') == 0 then
  free = true
else
  greatest, rebuild = string.rep('\\255', 7), '*'
end
if rebuild == '*' then free = false end
redis.call('HSET', home, writer, token .. greatest .. string.format('%d', version) .. ':' .. rebuild)
return free and 1 or 0
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
