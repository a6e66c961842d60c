DROP INDEX orders_quantity_idx;
