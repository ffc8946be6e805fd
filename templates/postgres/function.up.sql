-- Creates a function.
-- To change one that exists: CREATE OR REPLACE FUNCTION; the down script then holds the former body. Other arguments
-- or another result make another function: DROP the old one first.
SET LOCAL lock_timeout = '3s';

CREATE FUNCTION {{name}}(input text) RETURNS text
LANGUAGE plpgsql
IMMUTABLE STRICT PARALLEL SAFE -- true of this body: say less for one that reads tables or the clock
AS $$
BEGIN
    RETURN lower(btrim(input));
END;
$$;
