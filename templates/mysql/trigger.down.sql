-- Drops the trigger.
DROP TRIGGER {{table}}_name_trimmed;
