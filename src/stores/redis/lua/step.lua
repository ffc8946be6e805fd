-- A piece of a step: whose lease it is, what the script does, and what the ledger says of it, in one go.
--  1 token   2 the mark that must stand (or '')   3 the mark to set   4 milliseconds of lease   5 parts done before
--  6 parts in all   7 version   8 'whole', 'begin', 'more', 'end' or 'seed'   9 field of the down script (or '')   10 its bytes
-- 11 how many words of the entry follow; then these; then how many commands follow ('lua' for a program); then for each
-- how many words it has, and these; with 'end', no command and how long the step took.
local A = {}
for i = 1, #ARGV do A[i] = ARGV[i] end
if call('HGET', LEASE, 'token') ~= A[1] then return {'lost'} end
if A[2] ~= '' and call('HGET', LEASE, 'mark') ~= A[2] then return {'behind'} end
local length, before, total, version, how = tonumber(A[4]), tonumber(A[5]), A[6], A[7], A[8]
-- Nothing is written before the script's own work, so that one that only reads can be killed. A server without memory refuses
-- the first write of all, whosever it is, and no later one: so never ours after theirs.
local first, last = 12, 11 + tonumber(A[11])
local p = last + 1
local function keep_down()
  if A[9] ~= '' then call('HSETNX', DOWN, A[9], A[10]) end
end
local function begun(done)
  keep_down()
  local seq = append(A, first, last, {'event', 'begun', 'done', whole(done), 'total', total})
  call('HSET', PARTS, version, seq .. ' ' .. whole(done) .. ' ' .. total)
end
local function count(done)
  local row = call('HGET', PARTS, version)
  if row then call('HSET', PARTS, version, string.match(row, '^%d+') .. ' ' .. whole(done) .. ' ' .. total) end
end
local started = now()
local done, failed, returned = 0, nil, ''
if how == 'begin' then
  begun(before)
elseif A[p] == 'lua' then
  local program, wrong = loadstring(A[p + 1], '@user_script')
  if not program then return {'failed', 0, wrong, 'syntax'} end
  local keys = tonumber(A[p + 2])
  for i = #KEYS, 1, -1 do KEYS[i] = nil end
  for i = #ARGV, 1, -1 do ARGV[i] = nil end
  for i = 1, keys do KEYS[i] = A[p + 2 + i] end
  for i = p + 3 + keys, #A do ARGV[#ARGV + 1] = A[i] end
  local ok, said = pcall(program)
  if not ok then
    failed = type(said) == 'table' and (said.err or 'an error') or tostring(said)
  elseif type(said) == 'table' and said.err then
    failed = said.err
  else
    done = 1
    if type(said) == 'string' or type(said) == 'number' then returned = tostring(said) end
  end
else
  local n = tonumber(A[p])
  p = p + 1
  while done < n do
    local words = tonumber(A[p])
    local said = redis.pcall(unpack(A, p + 1, p + words))
    if type(said) == 'table' and said.err then
      failed = said.err
      break
    end
    p = p + 1 + words
    done = done + 1
  end
end
local so_far = before + done
local program = A[last + 1] == 'lua'
if failed then
  if how == 'more' then
    count(so_far)
  elseif how == 'whole' and (so_far > 0 or program) then
    begun(so_far)
  end
  return {'failed', done, failed}
end
if how == 'whole' or how == 'end' then
  keep_down()
  local took = whole(now() - started)
  if how == 'end' then took = A[last + 2] or took end
  append(A, first, last, {'event', 'done', 'done', total, 'total', total, 'duration', took})
  call('HDEL', PARTS, version)
  if A[3] ~= '' then call('HSET', LEASE, 'mark', A[3]) end
  call('HSET', LEASE, 'renewed', whole(now()), 'expires', whole(now() + length))
  return {'done', took}
end
if how == 'more' then count(so_far) end
call('HSET', LEASE, 'renewed', whole(now()), 'expires', whole(now() + length))
return {'more', returned}
