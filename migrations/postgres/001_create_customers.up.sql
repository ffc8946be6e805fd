-- One row per person who has ever bought something.
-- A script that cannot get its locks within three seconds gives up and can be tried again. One that waited longer
-- would make every other query on the table wait behind it.
SET LOCAL lock_timeout = '3s';

CREATE TABLE customers (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email      text NOT NULL,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX customers_email_key ON customers (lower(email));
COMMENT ON TABLE customers IS 'One row per person who has ever bought something';
