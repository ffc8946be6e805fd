-- Whole steps in order, up to the first that is refused: whose lease it is, what their scripts do, and an entry each, in one go.
-- 1 token   2 the mark that must stand (or '')   3 the mark to set   4 milliseconds of lease   5 how many steps; then for each
-- version, parts done before, parts in all, entry, field of the down script (or ''), its bytes, and how many commands; then for
-- each of these how many words it has, and these.
local lease = call('HMGET', LEASE, 'token', 'mark')
if lease[1] ~= ARGV[1] then return {'lost'} end
if ARGV[2] ~= '' and lease[2] ~= ARGV[2] then return {'behind'} end
-- Nothing is written before the scripts' own work: a server without memory refuses the first write of all, whosever it is, and
-- no later one, so never ours after theirs.
local journals = call('HLEN', PARTS) > 0
local entries, downs, over, answer = {}, {}, {}, {'done'}
local failed, p, began = nil, 6, now()
for _ = 1, tonumber(ARGV[5]) do
  local at, n, done = p, tonumber(ARGV[p + 6]), 0
  p = p + 7
  while done < n do
    local words = tonumber(ARGV[p])
    local said = redis.pcall(unpack(ARGV, p + 1, p + words))
    if type(said) == 'table' and said.err then
      failed = {at, done, said.err}
      break
    end
    p = p + 1 + words
    done = done + 1
  end
  if failed then break end
  local t = now()
  local took = whole(t - began)
  began = t
  entries[#entries + 1] = closed(ARGV[at + 3], ended(took, ARGV[at + 2]), t)
  answer[#answer + 1] = took
  if journals then over[#over + 1] = ARGV[at] end
  if ARGV[at + 4] ~= '' then
    downs[#downs + 1] = ARGV[at + 4]
    downs[#downs + 1] = ARGV[at + 5]
  end
end
if #entries > 0 then call('RPUSH', LEDGER, unpack(entries)) end
if #downs > 0 then call('HSET', DOWN, unpack(downs)) end
if #over > 0 then call('HDEL', PARTS, unpack(over)) end
if failed then
  local at, so_far = failed[1], ARGV[failed[1] + 1] + failed[2]
  if so_far > 0 then
    if ARGV[at + 4] ~= '' then call('HSETNX', DOWN, ARGV[at + 4], ARGV[at + 5]) end
    begun(ARGV[at], ARGV[at + 3], so_far, ARGV[at + 2])
  end
  answer[1] = 'failed'
  table.insert(answer, 2, failed[2])
  table.insert(answer, 3, failed[3])
  return answer
end
local t = now()
call('HSET', LEASE, 'mark', ARGV[3], 'renewed', whole(t), 'expires', whole(t + tonumber(ARGV[4])))
return answer
