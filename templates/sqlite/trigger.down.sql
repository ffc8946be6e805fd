-- Drops the trigger.
DROP TRIGGER {{table}}_id_is_final;
