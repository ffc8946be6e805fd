-- stepladder: no-transaction
-- Renames a field of every hash shop:cart:*, a page at a time: the script runs again with the cursor that it returns until that
-- is 0, and others are served in between. Only hashes that still have the old field are changed, so it can run again.
local page = redis.call('SCAN', ARGV[1], 'MATCH', 'shop:cart:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do
  if redis.call('TYPE', key).ok == 'hash' and redis.call('HEXISTS', key, 'mail') == 1 then
    redis.call('HSETNX', key, 'email', redis.call('HGET', key, 'mail'))
    redis.call('HDEL', key, 'mail')
  end
end
return page[1]
