local META, LEDGER, PARTS, DOWN, LEASE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, fmt = redis.call, string.format
local function now()
  local t = call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function whole(n) return fmt('%.0f', n) end
-- Appends an entry: its fields stand in `from[first]` to `from[last]`, then come those of `more`.
local function append(from, first, last, more)
  local fields = {}
  for i = first, last do fields[#fields + 1] = from[i] end
  for _, v in ipairs(more) do fields[#fields + 1] = v end
  fields[#fields + 1] = 'at'
  fields[#fields + 1] = whole(now())
  local seq = call('HINCRBY', META, 'seq', 1)
  call('XADD', LEDGER, seq .. '-0', unpack(fields))
  return whole(seq)
end
