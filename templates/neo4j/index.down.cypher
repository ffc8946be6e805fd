DROP INDEX {{table}}_name IF EXISTS;
