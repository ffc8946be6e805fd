-- An empty migration: say here what it changes, and why.
-- MySQL and MariaDB commit around every ALTER, CREATE and DROP, so a script that has one is journalled statement by
-- statement, and goes on where it stopped. A script of INSERT, UPDATE and DELETE alone is one transaction with its entry.
SET SESSION lock_wait_timeout = 5; -- rather give up than make the queries behind this script wait

-- ALTER TABLE {{table}} ADD COLUMN note VARCHAR(200) NULL, ALGORITHM=INSTANT;
