-- stepladder: no-transaction
-- Fills a field of every hash {{table}}:*, a page at a time: the script runs again with the cursor that it returns until that
-- is 0, and others are served in between. HSETNX leaves alone what is filled already, so it can run again.
local page = redis.call('SCAN', ARGV[1], 'MATCH', '{{table}}:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do
  if redis.call('TYPE', key).ok == 'hash' then
    redis.call('HSETNX', key, 'status', 'active')
  end
end
return page[1]
