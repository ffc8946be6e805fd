-- stepladder: no-transaction
-- The same the other way round.
local page = redis.call('SCAN', ARGV[1], 'MATCH', '{{table}}:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do
  if redis.call('TYPE', key).ok == 'hash' and redis.call('HEXISTS', key, 'email') == 1 then
    redis.call('HSETNX', key, 'mail', redis.call('HGET', key, 'email'))
    redis.call('HDEL', key, 'email')
  end
end
return page[1]
