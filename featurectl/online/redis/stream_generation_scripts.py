"""What the server does by itself with the generations of a source's lists, which are in the register as well."""

from __future__ import annotations

from typing import Final

from featurectl.online.redis.stream_scripts import PINNED

# Returns `views`, and the cut of each named generation in a partition.
CUTS: Final = (
    PINNED
    + """
local p, cuts = load(ARGV[1]), {}
if not p then return {'', cuts} end
for _, words in ipairs(views()) do
  for i = 3, #words do
    cuts[#cuts + 1] = tonumber(get('cut/' .. p.n .. '/' .. words[1] .. '#' .. words[i]) or p.first)
  end
end
return {get('views') or '', cuts}
"""
)

# Names a generation, with the document of its layout; returns `asof` of then, and pairs of partition and cut.
ADD_GENERATION: Final = (
    PINNED
    + """
local view, name = ARGV[1], ARGV[2]
local full, lines = view .. '#' .. name, views()
local words = line_of(lines, view)
if not words then
  words = {view, '-'}
  lines[#lines + 1] = words
end
keep(words, {[words[2]] = true, [name] = true})
if not has(words, name) then
  words[#words + 1] = name
  for n = 0, count() - 1 do call('HSET', key, 'cut/' .. n .. '/' .. full, text(load(n).fin)) end
  call('HSET', key, 'added/' .. full, text(asof()), 'layout/' .. full, ARGV[3])
end
put_views(lines)
local found = {tonumber(get('added/' .. full))}
for n = 0, count() - 1 do
  local cut = get('cut/' .. n .. '/' .. full)
  if cut then
    found[#found + 1] = n
    found[#found + 1] = tonumber(cut)
  end
end
return found
"""
)

# Has a generation read and written alone; returns 0 where it is not named, or not all before its cut is done.
SWITCH_GENERATION: Final = (
    PINNED
    + """
local view, name = ARGV[1], ARGV[2]
local lines = views()
local words = line_of(lines, view)
if not words or not has(words, name) then return 0 end
for n = 0, count() - 1 do
  local cut = get('cut/' .. n .. '/' .. view .. '#' .. name)
  if cut and load(n).done < tonumber(cut) then return 0 end
end
words[2] = name
keep(words, {[name] = true})
put_views(lines)
return 1
"""
)

# Neither writes nor reads a generation any more.
DROP_GENERATION: Final = (
    PINNED
    + """
local lines, kept = views(), {}
local words = line_of(lines, ARGV[1])
if not words then return 1 end
if words[2] == ARGV[2] then
  if ARGV[3] == 'unread' then return 0 end
  words[2] = '-'
end
for at = 3, #words do kept[words[at]] = words[at] ~= ARGV[2] end
keep(words, kept)
put_views(lines)
return 1
"""
)

# Gives up all generations.
VOID: Final = (
    PINNED
    + """
give_up()
return 1
"""
)
