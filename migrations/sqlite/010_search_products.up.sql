-- Full-text search over the products' titles.
-- The index keeps no copy of the titles (content = 'products'), so three triggers keep it in step with the table.
CREATE VIRTUAL TABLE products_search USING fts5 (title, content = 'products', content_rowid = 'id');

CREATE TRIGGER products_search_insert AFTER INSERT ON products
BEGIN
    INSERT INTO products_search (rowid, title) VALUES (NEW.id, NEW.title);
END;

CREATE TRIGGER products_search_delete AFTER DELETE ON products
BEGIN
    INSERT INTO products_search (products_search, rowid, title) VALUES ('delete', OLD.id, OLD.title);
END;

CREATE TRIGGER products_search_update AFTER UPDATE OF id, title ON products
BEGIN
    INSERT INTO products_search (products_search, rowid, title) VALUES ('delete', OLD.id, OLD.title);
    INSERT INTO products_search (rowid, title) VALUES (NEW.id, NEW.title);
END;

-- The products that are there already.
INSERT INTO products_search (products_search) VALUES ('rebuild');
