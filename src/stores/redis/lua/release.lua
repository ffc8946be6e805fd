-- Gives a lease back. 1 token
if call('HGET', LEASE, 'token') == ARGV[1] then call('DEL', LEASE) end
return 1
