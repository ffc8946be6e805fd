-- stepladder: no-transaction
-- Takes the field away again, values that the application has written since included.
local page = redis.call('SCAN', ARGV[1], 'MATCH', '{{table}}:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do
  if redis.call('TYPE', key).ok == 'hash' then
    redis.call('HDEL', key, 'status')
  end
end
return page[1]
