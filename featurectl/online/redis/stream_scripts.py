"""What the server does by itself with the register of a source: one script a step, so that nothing comes between.

Numbers in the hash are decimal texts; Lua computes with them exactly below 2^53.
"""

from __future__ import annotations

from typing import Final

# Of a partition `partition/<number>` holds: first kept whole done end stamp tail. At `tail` its last range begins.
# Of a range `stamps/<number>/<first>` holds: end stamp. `views` has a line for each view version: view live named...
COMMON: Final = """
local call, key, RETIRED = redis.call, KEYS[1], 9007199254740991
local function get(field) return call('HGET', key, field) end
local function text(number) return string.format('%.0f', number) end
local function load(n)
  local row = get('partition/' .. n)
  if not row then return nil end
  local p, at = {n = n, applied = tonumber(get('applied/' .. n))}, 0
  local names = {'first', 'kept', 'whole', 'done', 'fin', 'stamp', 'tail'}
  for word in row:gmatch('%d+') do at = at + 1; p[names[at]] = tonumber(word) end
  return p
end
local function active(n)
  local p = load(n)
  if p and p.applied < RETIRED then return p end
end
local function save(p)
  local row = {p.first, p.kept, p.whole, p.done, p.fin, p.stamp, p.tail}
  for at = 1, 7 do row[at] = text(row[at]) end
  call('HSET', key, 'partition/' .. p.n, table.concat(row, ' '), 'applied/' .. p.n, text(p.applied))
end
local function range(p, first)
  local fin, stamp = get('stamps/' .. p.n .. '/' .. text(first)):match('^(%d+) (%d+)$')
  return tonumber(fin), tonumber(stamp)
end
local function count() return tonumber(get('partitions') or '0') end
local function asof() return tonumber(get('asof') or '0') end
local function put_asof()
  local least
  for n = 0, count() - 1 do
    local applied = tonumber(get('applied/' .. n))
    if applied < (least or RETIRED) then least = applied end
  end
  if least then call('HSET', key, 'asof', text(least)) end
end
local function clock(given)
  if given ~= '' then return tonumber(given) end
  local now = call('TIME')
  return now[1] * 1000000 + now[2]
end
local function views()
  local lines = {}
  for line in (get('views') or ''):gmatch('[^\\n]+') do
    local words = {}
    for word in line:gmatch('%S+') do words[#words + 1] = word end
    lines[#lines + 1] = words
  end
  return lines
end
local function put_views(lines)
  local joined = {}
  for at, words in ipairs(lines) do joined[at] = table.concat(words, ' ') end
  call('HSET', key, 'views', table.concat(joined, '\\n'))
end
local function line_of(lines, view)
  for _, words in ipairs(lines) do
    if words[1] == view then return words end
  end
end
local function has(words, name)
  for at = 3, #words do
    if words[at] == name then return true end
  end
end
local function keep(words, kept)
  local names = {words[1], words[2]}
  for at = 3, #words do
    if kept[words[at]] then
      names[#names + 1] = words[at]
    else
      local name = words[1] .. '#' .. words[at]
      call('HDEL', key, 'added/' .. name, 'layout/' .. name)
      for n = 0, count() - 1 do call('HDEL', key, 'cut/' .. n .. '/' .. name) end
    end
  end
  for at = #words, 3, -1 do words[at] = nil end
  for at = 3, #names do words[at] = names[at] end
end
local function give_up()
  local lines = views()
  for _, words in ipairs(lines) do
    words[2] = '-'
    keep(words, {})
  end
  put_views(lines)
end
local function stamps_of(p, first, fin)
  local at, found = p.kept, {}
  if first >= p.whole then at = p.whole end
  while at < p.fin and at < fin do
    local stop, stamp = range(p, at)
    if stop > first then
      found[#found + 1] = math.max(at, first)
      found[#found + 1] = math.min(stop, fin)
      found[#found + 1] = stamp
    end
    at = stop
  end
  return found
end
"""

# Of who goes on with a register: the first argument is by what it was made, and one that was emptied since refuses.
PINNED: Final = (
    COMMON
    + """
local made = table.remove(ARGV, 1)
if get('made') ~= made then return redis.error_reply('EMPTIED the register of the stream was emptied') end
"""
)

# Takes notice of which run of which server this is, and of what `asof` it left; returns by what the register was made.
MEET: Final = (
    COMMON
    + """
if get('run') ~= ARGV[1] then call('HSET', key, 'run', ARGV[1], 'left', text(asof())) end
call('HSETNX', key, 'made', ARGV[2])
return get('made')
"""
)

# Returns the number of a partition, by its name and the offset at which it begins where it was not known.
ADD_PARTITION: Final = (
    PINNED
    + """
local name, first, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = get('number/' .. name)
if known then return tonumber(known) end
local n = count()
if n >= most then return -1 end
local row = {first, first, first, first, first, '0', first}
call('HSET', key, 'number/' .. name, n, 'name/' .. n, name, 'partition/' .. n, table.concat(row, ' '),
  'applied/' .. n, text(asof()), 'partitions', n + 1)
return n
"""
)

# Stamps a batch's offsets that have no stamp: by those of the log, the worker's own, else by one new instant.
# Of both kinds of known stamps there are triples: first, end, stamp; the fifth argument is how many are logged.
# Returns 0 where it is refused, else the greatest stamp, `views`, the cut of each named generation, and triples.
CLAIM: Final = (
    PINNED
    + """
local first, fin = tonumber(ARGV[2]), tonumber(ARGV[3])
local logged, own, number = {}, {}, tonumber(ARGV[5]) * 3
for at = 6, #ARGV do
  if at < 6 + number then logged[#logged + 1] = tonumber(ARGV[at]) else own[#own + 1] = tonumber(ARGV[at]) end
end
local p = active(ARGV[1])
if not p or first > p.fin then return 0 end
local forgotten, at, found = math.min(fin, p.kept), first, {}
for i = 1, #logged, 3 do
  if at < forgotten and logged[i] <= at and at < logged[i + 1] then
    found[#found + 1] = at
    at = math.min(logged[i + 1], forgotten)
    found[#found + 1] = at
    found[#found + 1] = logged[i + 2]
  end
end
if at < forgotten then return 0 end
local l, o = 1, 1
local function piece(offset)
  while logged[l] and logged[l + 1] <= offset do l = l + 3 end
  while own[o] and own[o + 1] <= offset do o = o + 3 end
  if logged[l] and logged[l] <= offset then return logged[l + 1], logged[l + 2], true end
  if own[o] and own[o] <= offset then
    local stop = own[o + 1]
    if logged[l] and logged[l] < stop then stop = logged[l] end
    return stop, own[o + 2], false
  end
end
local function add(from, stop, stamp)
  if p.whole < p.fin and p.stamp == stamp then from = p.tail end
  call('HSET', key, 'stamps/' .. p.n .. '/' .. text(from), text(stop) .. ' ' .. text(stamp))
  p.fin, p.stamp, p.tail = stop, stamp, from
end
local last, fresh, offset = tonumber(get('last') or '0'), nil, math.max(first, p.fin)
while true do
  local stop, stamp, is_logged = piece(offset)
  if offset >= fin and (not stop or stamp ~= p.stamp) then break end
  local to = offset < fin and fin or offset + 1
  if fresh then
    if stop and offset >= fin then to = stop end
    stamp = fresh
  elseif stop and (is_logged or (stamp >= p.stamp and stamp > p.applied)) then
    to = stop
  else
    fresh = math.max(clock(ARGV[4]), last + 1, p.applied + 1)
    stamp = fresh
  end
  last = math.max(last, stamp)
  add(offset, to, stamp)
  offset = to
end
call('HSET', key, 'last', text(last))
save(p)
local cuts = {}
for _, words in ipairs(views()) do
  for i = 3, #words do
    cuts[#cuts + 1] = tonumber(get('cut/' .. p.n .. '/' .. words[1] .. '#' .. words[i]) or p.first)
  end
end
for _, each in ipairs(stamps_of(p, math.max(first, p.kept), fin)) do found[#found + 1] = each end
return {last, get('views') or '', cuts, found}
"""
)

# Returns an instant before which no stamp is that is kept, or will be given: the clock's, or that of the argument.
BEGIN_STAMPS: Final = (
    PINNED
    + """
local last, least = tonumber(get('last') or '0'), RETIRED
for n = 0, count() - 1 do
  local p = active(n)
  local kept = p and stamps_of(p, p.kept, p.fin) or {}
  for at = 3, #kept, 3 do least = math.min(least, kept[at]) end
end
local begun = math.max(clock(ARGV[1]), last + 1)
call('HSET', key, 'last', text(begun - 1))
return math.min(begun, least)
"""
)

# Says that offsets are in the lists of the generations that are named behind them; returns 0 where it is refused.
FINISH: Final = (
    PINNED
    + """
local p, first, fin = active(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not p or fin > p.fin or first > p.done then return 0 end
local written = {}
for at = 4, #ARGV do written[ARGV[at]] = true end
for _, words in ipairs(views()) do
  for at = 3, #words do
    if not written[words[1] .. '#' .. words[at]] then return 0 end
  end
end
local before, reached = p.applied, 0
p.done = math.max(p.done, fin)
while p.whole < p.fin do
  local stop, stamp = range(p, p.whole)
  if stop > p.done then break end
  p.whole, reached = stop, stamp
end
p.applied = math.max(p.applied, reached)
save(p)
if p.applied > before and before <= asof() then put_asof() end
return 1
"""
)

# Promises that nothing came up to now; of triples partition, position, whether the broker has nothing more ('1').
HEARTBEAT: Final = (
    PINNED
    + """
local now, answers, moved = clock(ARGV[1]), {}, false
for at = 2, #ARGV, 3 do
  local p, position = active(ARGV[at]), tonumber(ARGV[at + 1])
  local answer = 0
  if p then
    local is_whole = position == p.fin and position == p.done
    if is_whole or position <= p.fin then answer = 1 end
    if is_whole and ARGV[at + 2] == '1' and now > p.applied then
      call('HSET', key, 'applied/' .. p.n, text(now))
      moved = true
    end
  end
  answers[#answers + 1] = answer
end
if moved then put_asof() end
return answers
"""
)

# Has nothing come of partitions any more, of triples: name, end of what is logged, its last stamp.
# Returns `asof` and the greatest stamp of before, 1 where all generations were given up, the least stamp that is lost.
RETIRE: Final = (
    PINNED
    + """
local before, last = asof(), tonumber(get('last') or '0')
local greatest, gave_up, lost, latest = last, 0, RETIRED, tonumber(ARGV[1])
if before > latest or last > latest then return {} end
for at = 2, #ARGV, 4 do
  local n, taken = get('number/' .. ARGV[at]), tonumber(ARGV[at + 3])
  local p = n and active(n)
  if p and taken and p.fin ~= taken then return {} end
end
for at = 2, #ARGV, 4 do
  local n, fin, stamp = get('number/' .. ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local p = n and active(n)
  if p then
    if p.fin ~= fin or p.done ~= fin then gave_up = 1 end
    local from = p.kept
    while from < p.fin do
      local stop, at_stop = range(p, from)
      if stop > fin then lost = math.min(lost, at_stop) end
      call('HDEL', key, 'stamps/' .. p.n .. '/' .. text(from))
      from = stop
    end
    p.kept, p.whole, p.done, p.fin, p.tail, p.stamp, p.applied = fin, fin, fin, fin, fin, stamp, RETIRED
    greatest = math.max(greatest, stamp)
    save(p)
  end
end
if gave_up == 1 then give_up() end
if greatest > last then call('HSET', key, 'last', text(greatest)) end
put_asof()
return {before, last, gave_up, lost}
"""
)

# Lets go the stamps of ranges that end at or before an offset and are done.
FORGET: Final = (
    PINNED
    + """
local p, below = load(ARGV[1]), tonumber(ARGV[2])
if not p then return 0 end
while p.kept < p.whole do
  local stop = range(p, p.kept)
  if stop > below then break end
  call('HDEL', key, 'stamps/' .. p.n .. '/' .. text(p.kept))
  p.kept = stop
end
save(p)
return 1
"""
)

# Returns the greatest stamp, `asof`, the run, what it left, `views`, the time, and of each partition its name, row and
# `applied`. A register that was emptied and made anew is of another run, though the server is the same.
_STATE: Final = """
local run = get('run') and get('run') .. ':' .. (get('made') or '') or ''
local found = {get('last') or '0', get('asof') or '0', run, get('left') or '0', get('views') or '',
  text(clock(ARGV[1] or ''))}
for n = 0, count() - 1 do
  for _, field in ipairs({'name/', 'partition/', 'applied/'}) do found[#found + 1] = get(field .. n) end
end
return found
"""

STATE: Final = PINNED + _STATE
STATE_OF_READERS: Final = COMMON + _STATE

# Returns what is kept of the stamps of some offsets: triples.
STAMPS: Final = (
    PINNED
    + """
local p = load(ARGV[1])
if not p then return {} end
return stamps_of(p, math.max(tonumber(ARGV[2]), p.kept), tonumber(ARGV[3]))
"""
)
