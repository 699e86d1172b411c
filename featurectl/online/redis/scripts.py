"""What the server does by itself: writes and removals that look at what is there."""

from __future__ import annotations

from typing import Final

FOREIGN: Final = "FOREIGN"  # begins the error of a key that is no hash; the key follows

# Sets a field of each of some hashes unless it holds a newer value: one whose bytes `from` to `to` are greater.
# The last key holds the counter of fields that were not there before, and in the field `writer` who claimed the rows
# last (CLAIM): a call with that token need not look at what is there. Rows expire at an instant of Unix time in ms, if
# one is given. A value that is later than the bound, 7 bytes compared with its own from `place` on, is replaced by any:
# nothing can rightly be. Bytes are compared as numbers: how Lua compares strings depends on the locale of the server.
# Of one that is cut off the bytes that it lacks are 0. A key that is no hash is of another program: with a bound it is
# replaced, else all others are written, and the answer is an error that names it.
WRITE_NEWER: Final = """
local call, byte, keys, args = redis.call, string.byte, KEYS, ARGV
local field, from, to, counter = args[1], tonumber(args[2]), tonumber(args[3]), args[4]
local home, added, bound, place, token, expiry = keys[#keys], 0, args[6], tonumber(args[7]), args[8], args[9]
local function later(row)
  for at = 1, #bound do
    local a, b = byte(row, place + at - 1) or 0, byte(bound, at)
    if a ~= b then return a > b end
  end
  return false
end
local foreign
local function set(key, row)
  local new = redis.pcall('HSET', key, field, row)
  if type(new) == 'table' then
    if new.err:sub(1, 9) == 'WRONGTYPE' then
      if bound == string.rep('\\255', 7) then foreign = foreign or key; return end
      call('DEL', key)
    end
    new = call('HSET', key, field, row)
  end
  if expiry ~= '' then call('HPEXPIREAT', key, expiry, 'FIELDS', 1, field) end
  return new
end
local owner = token ~= '' and call('HGET', home, args[5])
if owner and owner:sub(1, #token) == token then
  for i = 1, #keys - 1 do added = added + (set(keys[i], args[i + 9]) or 0) end
else
  for i = 1, #keys - 1 do
    local new, old, older = args[i + 9], redis.pcall('HGET', keys[i], field), false
    if type(old) == 'table' then old = false end
    if old then
      for at = from, to do
        local a, b = byte(new, at), byte(old, at) or 0
        if a ~= b then older = a < b; break end
      end
      older = older and not later(old)
    end
    if not older and set(keys[i], new) and not old then added = added + 1 end
  end
end
if added > 0 and counter ~= '' then call('HINCRBY', home, counter, added) end
if foreign then return redis.error_reply('FOREIGN ' .. foreign) end
return added
"""

# Names the writer of a view version's rows, so that whoever had them before compares from now on, and returns 1 if
# nothing that is there can be newer than what this one brings. Kept are its token of 8 bytes, the greatest instant
# ever claimed in 7, and the table: its version and rebuild, `*` after writers of several.
# An instant not before the greatest one is enough where rows are ordered by it (`order` is "computed"); else the table
# must be that of all before too, in no older a version: what is added to a table only makes its newest rows newer.
# A writer without a table may bring anything: the greatest instant there is stands for it.
# A writer that is none, as another program wrote it, stands for any.
# An instant later than a bound that is given can't rightly have been claimed: the bound takes its place, and rows are
# compared.
CLAIM: Final = """
local home, writer, token, at, order = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local version, rebuild, counter, bound = tonumber(ARGV[5]), ARGV[6], ARGV[7], ARGV[8]
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
  if not last_version then last, last_version, last_rebuild = string.rep('\\255', 7), '0', '*' end
  local same = rebuild == last_rebuild
  if less(bound, last) then
    greatest = less(at, bound) and bound or at
  else
    free = not less(at, last) and (order == 'computed' or (same and version >= tonumber(last_version)))
    if less(at, last) then greatest = last end
    if same then version = math.max(version, tonumber(last_version)) end
    if not same and not free then rebuild = '*' end
  end
elseif tonumber(redis.call('HGET', home, counter) or '0') == 0 then
  free = true
else
  greatest, rebuild = string.rep('\\255', 7), '*'
end
if rebuild == '*' then free = false end
redis.call('HSET', home, writer, token .. greatest .. string.format('%d', version) .. ':' .. rebuild)
return free and 1 or 0
"""

# Removes a field of each of some hashes when its bytes `from` on are not greater than those given, or later than a
# bound; counts as above. Keys that are no hashes are left alone.
REMOVE_UNTIL: Final = """
local field, from, until_, counter, bound = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local removed = 0
local function later(row, instant)
  for at = 1, #instant do
    local a, b = instant:byte(at), row:byte(from + at - 1) or 0
    if a ~= b then return a < b end
  end
  return false
end
for i = 1, #KEYS - 1 do
  local row = redis.pcall('HGET', KEYS[i], field)
  if type(row) == 'string' and (not later(row, until_) or later(row, bound)) then
    removed = removed + redis.call('HDEL', KEYS[i], field)
  end
end
if removed > 0 then redis.call('HINCRBY', KEYS[#KEYS], counter, -removed) end
return removed
"""
