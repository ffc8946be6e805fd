DROP TRIGGER products_search_update;
DROP TRIGGER products_search_delete;
DROP TRIGGER products_search_insert;
-- The shadow tables of the index go with it.
DROP TABLE products_search;
