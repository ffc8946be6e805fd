-- Forgets every entry and keeps the lease. 1 token
if call('HGET', LEASE, 'token') ~= ARGV[1] then return 0 end
call('DEL', LEDGER, PARTS, DOWN)
return 1
