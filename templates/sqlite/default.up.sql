-- An empty migration: say here what it changes, and why.
-- The script and its ledger entry are one transaction. When it fails, nothing of it stays.

-- ALTER TABLE {{table}} ADD COLUMN note TEXT;
