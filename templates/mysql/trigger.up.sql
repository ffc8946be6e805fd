-- Creates a trigger. Its body has semicolons, so the script says another delimiter around it.
DELIMITER //
CREATE TRIGGER {{table}}_name_trimmed BEFORE INSERT ON {{table}} FOR EACH ROW
BEGIN
    SET NEW.name = TRIM(NEW.name);
END//
DELIMITER ;
