DROP INDEX orders_item_idx;
