#!/bin/bash
# Runs once, when the data folder is made: a role for each service, which owns a schema of its name and nothing else.
set -eu
psql --set ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set approval="$APPROVAL_DB_PASSWORD" --set executor="$EXECUTOR_DB_PASSWORD" --set notifier="$NOTIFIER_DB_PASSWORD" \
  --set database="$POSTGRES_DB" <<'SQL'
REVOKE ALL ON DATABASE :"database", postgres, template1 FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE ROLE approval LOGIN PASSWORD :'approval';
CREATE ROLE executor LOGIN PASSWORD :'executor';
CREATE ROLE notifier LOGIN PASSWORD :'notifier';

GRANT CONNECT ON DATABASE :"database" TO approval, executor, notifier;

CREATE SCHEMA approval AUTHORIZATION approval;
CREATE SCHEMA executor AUTHORIZATION executor;
CREATE SCHEMA notifier AUTHORIZATION notifier;
SQL
