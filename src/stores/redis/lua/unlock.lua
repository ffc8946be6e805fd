-- Releases somebody's lease. 1 the token that was seen; then the words of an `unlocked` entry.
if call('HGET', LEASE, 'token') ~= ARGV[1] then return 0 end
call('DEL', LEASE)
append(ARGV, 2, #ARGV, {})
return 1
