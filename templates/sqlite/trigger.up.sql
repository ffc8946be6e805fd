-- Creates a trigger.
-- Name the columns after UPDATE OF, so that the trigger does not fire for others.
CREATE TRIGGER {{table}}_id_is_final
BEFORE UPDATE OF id ON {{table}}
WHEN OLD.id IS NOT NEW.id
BEGIN
    SELECT RAISE(ABORT, 'the id of a row in {{table}} does not change');
END;
