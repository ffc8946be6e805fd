-- Creates a table.
-- InnoDB and utf8mb4 are said, because a server's defaults may be others. Keys that point to this table need its type:
-- BIGINT UNSIGNED.
CREATE TABLE {{table}} (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(200) NOT NULL,
    created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    UNIQUE KEY {{table}}_name_key (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
