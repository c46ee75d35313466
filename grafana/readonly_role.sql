-- The role that Grafana reads the database with: the views for reports, and nothing else. Run it again after a change; as the owner:
--
--   psql -v ON_ERROR_STOP=1 -v role=grafana_reader -v password=... -f grafana/readonly_role.sql "$DATABASE"
--
-- Views read with their owner's rights, so the role has none on the tables: it sees no error texts, no configurations and no keys, but the
-- host's own `metadata`, by which reports group. Its sessions are read-only, and a query ends after 30 seconds.
SELECT format('CREATE ROLE %I LOGIN', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'password';
ALTER ROLE :"role" SET default_transaction_read_only = on;
ALTER ROLE :"role" SET statement_timeout = '30s';
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), :'role') \gexec
GRANT SELECT ON metering_usage, metering_usage_hourly, metering_prices TO :"role";
