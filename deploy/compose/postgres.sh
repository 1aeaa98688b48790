#!/bin/sh
# Run once by PostgreSQL's image, on an empty volume: the two logins that a control plane needs, and its database.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres --set owner="$OWNER_PASSWORD" --set service="$SERVICE_PASSWORD" <<'SQL'
CREATE ROLE phoenix_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE ROLE phoenix_service LOGIN NOINHERIT PASSWORD :'service';
CREATE DATABASE phoenix OWNER phoenix_owner;
REVOKE CONNECT ON DATABASE phoenix FROM PUBLIC;
GRANT CONNECT ON DATABASE phoenix TO phoenix_service;
SQL
