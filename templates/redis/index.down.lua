-- stepladder: no-transaction
-- Removes the sets of the index.
local page = redis.call('SCAN', ARGV[1], 'MATCH', 'index:{{table}}:status:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do redis.call('UNLINK', key) end
return page[1]
