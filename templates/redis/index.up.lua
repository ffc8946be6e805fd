-- stepladder: no-transaction
-- Builds a secondary index: for every status a set with the keys of the hashes {{table}}:* that have it. The application has to
-- keep the sets from then on. The script runs again with the cursor that it returns until that is 0; SADD can run again.
local page = redis.call('SCAN', ARGV[1], 'MATCH', '{{table}}:*', 'COUNT', 1000)
for _, key in ipairs(page[2]) do
  if redis.call('TYPE', key).ok == 'hash' then
    local status = redis.call('HGET', key, 'status')
    if status then redis.call('SADD', 'index:{{table}}:status:' .. status, key) end
  end
end
return page[1]
