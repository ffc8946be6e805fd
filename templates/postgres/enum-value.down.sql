-- Takes the value out again: PostgreSQL has no statement for that, so the type is made anew without it.
-- List the values as they were, and repeat the ALTER TABLE for every column of this type. It rewrites the table under
-- a lock. Where a row holds the new value, the cast fails and all stays as it is: give such rows another value first.
SET LOCAL lock_timeout = '3s';

ALTER TYPE {{table}}_status RENAME TO {{table}}_status_old;
CREATE TYPE {{table}}_status AS ENUM ('new', 'paid');
ALTER TABLE {{table}}
    ALTER COLUMN status DROP DEFAULT, -- a default is of the old type: away with it, and back below
    ALTER COLUMN status TYPE {{table}}_status USING status::text::{{table}}_status,
    ALTER COLUMN status SET DEFAULT 'new';
DROP TYPE {{table}}_status_old;
