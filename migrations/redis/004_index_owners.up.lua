-- A set for every owner with the keys of the carts: few enough for one step, which nobody sees half done.
-- ARGV: shop:cart:*
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  if redis.call('TYPE', key).ok == 'hash' then
    redis.call('SADD', 'index:shop:owner:' .. redis.call('HGET', key, 'owner'), key)
  end
end
