#!lua name={{table}}
-- A library of functions (Redis 7 and later): a file that begins with `#!lua name=` is given to the server to keep, in place of
-- the one of that name. Libraries belong to the server, not to one database: `fresh` leaves them.
redis.register_function('{{table}}_touch', function(keys, args)
  return redis.call('HSET', keys[1], 'touched_at', args[1])
end)
