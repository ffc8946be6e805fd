-- Commands on a node of a cluster that has not the ledger: in order, up to the first that is refused.
-- 1 how many; then for each how many words it has, and these.
local p, n, done = 2, tonumber(ARGV[1]), 0
while done < n do
  local words = tonumber(ARGV[p])
  local said = redis.pcall(unpack(ARGV, p + 1, p + words))
  if type(said) == 'table' and said.err then return {'failed', done, said.err} end
  p = p + 1 + words
  done = done + 1
end
return {'more'}
