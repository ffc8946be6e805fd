local META, LEDGER, PARTS, DOWN, LEASE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, fmt = redis.call, string.format
local function now()
  local t = call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function whole(n) return fmt('%.0f', n) end
-- Closes an entry, which comes as an object of JSON without its last brace.
local function closed(entry, more, at) return entry .. more .. ',"at":' .. whole(at) .. '}' end
-- Appends one; its number, which is its place.
local function append(entry, more) return call('RPUSH', LEDGER, closed(entry, more, now())) end
local function parts(done, total) return ',"done":' .. whole(done) .. ',"total":' .. total end
-- A step that is begun and has so many parts done.
local function begun(version, entry, done, total)
  local seq = append(entry, ',"event":"begun"' .. parts(done, total))
  call('HSET', PARTS, version, whole(seq) .. ' ' .. whole(done) .. ' ' .. total)
end
local function ended(took, total) return ',"event":"done","duration":' .. took .. parts(tonumber(total), total) end
