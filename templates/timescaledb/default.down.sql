-- Undoes the up script exactly, in the reverse order. An interval is undone by setting the old one again.
SET LOCAL lock_timeout = '3s';

-- SELECT set_chunk_time_interval('{{table}}', INTERVAL '7 days');
