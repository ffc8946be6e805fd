-- Drops the function. The argument types belong to its name.
SET LOCAL lock_timeout = '3s';

DROP FUNCTION {{name}}(text);
