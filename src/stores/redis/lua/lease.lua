-- Takes the lease. 1 the token that was seen ('' for none)   2 '1' when its process is gone   3 milliseconds of lease
-- 4 the ledger's format   5 how many words of the lease follow; then these; then the words of an `unlocked` entry.
local format = call('HGET', META, 'format')
if format and tonumber(format) > tonumber(ARGV[4]) then return {'newer', format} end
local held = call('HGET', LEASE, 'token') or ''
if held ~= ARGV[1] then return {'held'} end
local t = now()
if held ~= '' and ARGV[2] ~= '1' and tonumber(call('HGET', LEASE, 'expires') or '0') > t then return {'held'} end
call('HSETNX', META, 'format', ARGV[4])
local last = 5 + tonumber(ARGV[5])
if held ~= '' then append(ARGV, last + 1, #ARGV, {}) end
call('DEL', LEASE)
local words = {}
for i = 6, last do words[#words + 1] = ARGV[i] end
call('HSET', LEASE, 'since', whole(t), 'renewed', whole(t), 'expires', whole(t + tonumber(ARGV[3])), unpack(words))
return {'ours'}
