-- A program, or a piece of a step: whose lease it is, what the script does, and what the ledger says of it, in one go.
-- 1 token   2 milliseconds of lease   3 parts done before   4 parts in all   5 version   6 'whole', 'begin', 'more', 'end' or
-- 'seed'   7 field of the down script (or '')   8 its bytes   9 the entry   10 how many commands follow ('lua' for a program);
-- then for each how many words it has, and these; with 'end', no command and how long the step took.
local A = {}
for i = 1, #ARGV do A[i] = ARGV[i] end
if call('HGET', LEASE, 'token') ~= A[1] then return {'lost'} end
local length, before, total, version, how, entry = tonumber(A[2]), tonumber(A[3]), A[4], A[5], A[6], A[9]
local p, took = 10, '0'
-- Nothing is written before the script's own work, so that one that only reads can be killed. A server without memory refuses
-- the first write of all, whosever it is, and no later one: so never ours after theirs.
local function keep_down()
  if A[7] ~= '' then call('HSETNX', DOWN, A[7], A[8]) end
end
local function count(done)
  local row = call('HGET', PARTS, version)
  if row then call('HSET', PARTS, version, string.match(row, '^%d+') .. ' ' .. whole(done) .. ' ' .. total) end
end
local started = now()
local done, failed, returned = 0, nil, ''
local program = A[p] == 'lua'
if how == 'begin' then
  keep_down()
  begun(version, entry, before, total)
elseif program then
  local chunk, wrong = loadstring(A[p + 1], '@user_script')
  if not chunk then return {'failed', 0, wrong, 'syntax'} end
  local keys = tonumber(A[p + 2])
  for i = #KEYS, 1, -1 do KEYS[i] = nil end
  for i = #ARGV, 1, -1 do ARGV[i] = nil end
  for i = 1, keys do KEYS[i] = A[p + 2 + i] end
  for i = p + 3 + keys, #A do ARGV[#ARGV + 1] = A[i] end
  local ok, said = pcall(chunk)
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
if failed then
  if how == 'more' then
    count(so_far)
  elseif how == 'whole' then
    keep_down()
    begun(version, entry, so_far, total)
  end
  return {'failed', done, failed}
end
if how == 'whole' or how == 'end' then
  keep_down()
  took = how == 'end' and A[11] or whole(now() - started)
  append(entry, ended(took, total))
  call('HDEL', PARTS, version)
elseif how == 'more' then
  count(so_far)
end
local t = now()
call('HSET', LEASE, 'renewed', whole(t), 'expires', whole(t + length))
if how == 'whole' or how == 'end' then return {'done', took} end
return {'more', returned}
