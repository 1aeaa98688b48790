DROP INDEX experiments_by_end;
DROP TABLE promotion_refusals;
