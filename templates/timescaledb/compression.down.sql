-- Decompresses every chunk and turns compression off, which is refused while a compressed chunk is left.
-- On a large table this takes hours and many times the disk space: look at both before running it.
SET LOCAL lock_timeout = '3s';

SELECT remove_compression_policy('{{table}}', if_exists => true);
SELECT decompress_chunk(chunk, if_compressed => true) FROM show_chunks('{{table}}') AS chunk;
ALTER TABLE {{table}} SET (timescaledb.compress = false);
