-- Creates a table.
SET LOCAL lock_timeout = '3s'; -- a foreign key locks the table that it refers to

CREATE TABLE {{table}} (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL,
    -- owner_id bigint NOT NULL REFERENCES owners (id), -- PostgreSQL makes no index for it: see the template `index`
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {{table}} IS 'What one row stands for';
