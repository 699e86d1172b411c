"""What the server does by itself: writes and removals that look at what is there."""

from __future__ import annotations

from typing import Final

from featurectl.online.codec import BY_COMPUTED, BY_EVENT, PLAIN

FOREIGN: Final = "FOREIGN"  # begins the error of a key that is no hash; the key follows

# The 7 bytes of a row's `computed_at`: of a short row of a state view the sum of its `event_time` and how much later.
_COMPUTED: Final = """
local function computed(row)
  local kind = row:byte(1)
  if kind == BY_COMPUTED then return row:sub(4, 10) end
  if kind ~= BY_EVENT then return row:sub(18, 24) end
  local sum, carry = {}, 0
  for at = 7, 1, -1 do
    local n = (row:byte(3 + at) or 0) + (at > 1 and row:byte(9 + at) or 0) + carry
    carry = n > 255 and 1 or 0
    sum[at] = string.char(n % 256)
  end
  return table.concat(sum)
end
""".replace("BY_EVENT", str(BY_EVENT)).replace("BY_COMPUTED", str(BY_COMPUTED))

# Sets a field of each of some hashes unless it holds a newer value: one whose instants are greater, of which `order`
# says which are compared: "computed" its `computed_at`, "event" `event_time`, `available_at`, `computed_at`; "record"
# the 7 bytes with which the record of a push begins.
# The last key holds the counter of fields that were not there before, and in the field `writer` who claimed the rows
# last (CLAIM): a call with that token need not look at what is there. Rows expire at an instant of Unix time in ms, if
# one is given. A value that was computed later than the bound, 7 bytes, is replaced by any: nothing can rightly be.
# Bytes are compared as numbers: how Lua compares strings depends on the locale of the server.
# Of one that is cut off the bytes that it lacks are 0. A key that is no hash is of another program: with a bound it is
# replaced, else all others are written, and the answer is an error that names it.
WRITE_NEWER: Final = (
    _COMPUTED
    + """
local call, byte, keys, args = redis.call, string.byte, KEYS, ARGV
local field, order, counter, bound = args[1], args[2], args[3], args[5]
local home, added, token, expiry = keys[#keys], 0, args[6], args[7]
local spans = {event = {[BY_EVENT] = {4, 16}, other = {4, 24}}, computed = {[BY_COMPUTED] = {4, 10}, other = {18, 24}}}
local function less(a, b, from, to)
  for at = from, to do
    local x, y = byte(a, at) or 0, byte(b, at) or 0
    if x ~= y then return x < y end
  end
  return false
end
local function instants(row)
  if order == 'computed' then return computed(row) end
  if byte(row, 1) ~= BY_EVENT then return row:sub(4, 24) end
  local event = row:sub(4, 10)
  return event .. event .. computed(row)
end
local function older_than(new, old)
  if order == 'record' then return less(new, old, 1, 7) end
  local kind = byte(new, 1)
  if kind == byte(old, 1) then
    local span = spans[order][kind] or (kind == PLAIN and spans[order].other)
    if span then return less(new, old, span[1], span[2]) end
  end
  return less(instants(new), instants(old), 1, 21)
end
local function later(row)
  return less(bound, order == 'record' and row:sub(1, 7) or computed(row), 1, #bound)
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
local owner = token ~= '' and call('HGET', home, args[4])
if owner and owner:sub(1, #token) == token then
  for i = 1, #keys - 1 do added = added + (set(keys[i], args[i + 7]) or 0) end
else
  for i = 1, #keys - 1 do
    local new, old = args[i + 7], redis.pcall('HGET', keys[i], field)
    if type(old) == 'table' then old = false end
    local older = old and older_than(new, old) and not later(old)
    if not older and set(keys[i], new) and not old then added = added + 1 end
  end
end
if added > 0 and counter ~= '' then call('HINCRBY', home, counter, added) end
if foreign then return redis.error_reply('FOREIGN ' .. foreign) end
return added
""".replace("BY_EVENT", str(BY_EVENT))
    .replace("BY_COMPUTED", str(BY_COMPUTED))
    .replace("PLAIN", str(PLAIN))
)

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

# Removes a field of each of some hashes when it was computed until an instant that is given, 7 bytes, or later than a
# bound; "" is any instant. Counts as above. Keys that are no hashes are left alone.
REMOVE_UNTIL: Final = (
    _COMPUTED
    + """
local field, until_, counter, bound = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local removed = 0
local function later(instant, than)
  for at = 1, #than do
    local a, b = than:byte(at), instant:byte(at) or 0
    if a ~= b then return a < b end
  end
  return false
end
for i = 1, #KEYS - 1 do
  local row = redis.pcall('HGET', KEYS[i], field)
  if type(row) == 'string' then
    local at = computed(row)
    if not later(at, until_) or later(at, bound) then removed = removed + redis.call('HDEL', KEYS[i], field) end
  end
end
if removed > 0 then redis.call('HINCRBY', KEYS[#KEYS], counter, -removed) end
return removed
"""
)
