-- Releases somebody's lease. 1 the token that was seen   2 an `unlocked` entry
if call('HGET', LEASE, 'token') ~= ARGV[1] then return 0 end
call('DEL', LEASE)
append(ARGV[2], '')
return 1
