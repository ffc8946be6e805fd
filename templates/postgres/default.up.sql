-- An empty migration: say here what it changes, and why.
-- The script and its ledger entry are one transaction. When it fails, nothing of it stays.
SET LOCAL lock_timeout = '3s'; -- rather give up than make the queries behind this script wait

-- ALTER TABLE {{table}} ADD COLUMN note text;
