CREATE INDEX orders_item_idx ON orders (item);
