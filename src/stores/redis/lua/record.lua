-- Appends an entry. 1 token   2 field of the down script (or '')   3 its bytes   4 version   5 its event   6 parts done
-- 7 parts in all   8 the entry
if call('HGET', LEASE, 'token') ~= ARGV[1] then return 0 end
if ARGV[2] ~= '' then call('HSETNX', DOWN, ARGV[2], ARGV[3]) end
local seq = append(ARGV[8], '')
if ARGV[5] == 'begun' then
  call('HSET', PARTS, ARGV[4], whole(seq) .. ' ' .. ARGV[6] .. ' ' .. ARGV[7])
elseif ARGV[5] ~= 'failed' and ARGV[5] ~= 'unlocked' then
  call('HDEL', PARTS, ARGV[4])
end
return 1
