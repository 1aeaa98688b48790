DROP INDEX agents_by_host;
