CREATE INDEX orders_quantity_idx ON orders (quantity);
