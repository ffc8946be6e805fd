-- Counts parts in the newest `begun` entry of a version. 1 token   2 version   3 parts done   4 parts in all
if call('HGET', LEASE, 'token') ~= ARGV[1] then return 0 end
local row = call('HGET', PARTS, ARGV[2])
if row then call('HSET', PARTS, ARGV[2], string.match(row, '^%d+') .. ' ' .. ARGV[3] .. ' ' .. ARGV[4]) end
return 1
