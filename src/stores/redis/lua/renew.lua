-- Renews a lease. While it was not taken by somebody it is ours, however late we are. 1 token   2 milliseconds of lease
if call('HGET', LEASE, 'token') ~= ARGV[1] then return 0 end
local t = now()
call('HSET', LEASE, 'renewed', whole(t), 'expires', whole(t + tonumber(ARGV[2])))
return 1
