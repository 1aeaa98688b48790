DROP INDEX experiments_by_name;
