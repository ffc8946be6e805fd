-- Takes the lease. 1 the token that was seen ('' for none)   2 '1' when its process is gone   3 milliseconds of lease
-- 4 the ledger's format   5 an `unlocked` entry (or '')   then the words of the lease.
local format = call('HGET', META, 'format')
if format and tonumber(format) > tonumber(ARGV[4]) then return {'newer', format} end
-- Who could not append would first learn it behind the script's own work.
if redis.acl_check_cmd and not redis.acl_check_cmd('RPUSH', LEDGER, '') then
  return redis.error_reply('NOPERM this user may not use RPUSH on ' .. LEDGER)
end
local held = call('HGET', LEASE, 'token') or ''
if held ~= ARGV[1] then return {'held'} end
local t = now()
if held ~= '' and ARGV[2] ~= '1' and tonumber(call('HGET', LEASE, 'expires') or '0') > t then return {'held'} end
call('HSETNX', META, 'format', ARGV[4])
if held ~= '' and ARGV[5] ~= '' then append(ARGV[5], '') end
call('DEL', LEASE)
call('HSET', LEASE, 'since', whole(t), 'renewed', whole(t), 'expires', whole(t + tonumber(ARGV[3])), unpack(ARGV, 6))
return {'ours'}
