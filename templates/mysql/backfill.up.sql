-- Fills a column of the rows that exist, batch by batch, while the table stays in use.
-- Each batch is committed by itself, so no row stays locked for long. Change only rows that are not filled yet: then the
-- script can simply run again after an interruption.
-- A small table needs none of this: one UPDATE in an ordinary migration is simpler.
DROP PROCEDURE IF EXISTS {{name}};

DELIMITER //
CREATE PROCEDURE {{name}}()
BEGIN
    DECLARE first_id BIGINT UNSIGNED;
    DECLARE last_id BIGINT UNSIGNED;
    SELECT MIN(id) INTO first_id FROM {{table}};
    WHILE first_id IS NOT NULL DO
        SELECT MAX(id) INTO last_id
        FROM (SELECT id FROM {{table}} WHERE id >= first_id ORDER BY id LIMIT 1000) AS batch;

        -- Until this statement is put in, the loop changes nothing:
        -- UPDATE {{table}} SET note = LOWER(name)
        -- WHERE id BETWEEN first_id AND last_id AND note IS NULL;

        COMMIT;
        SELECT MIN(id) INTO first_id FROM {{table}} WHERE id > last_id;
    END WHILE;
END//
DELIMITER ;

CALL {{name}}();
DROP PROCEDURE {{name}};
