-- An issuer as the operator wrote it, without its secrets. NULL: the version before wrote the row, and the other columns are all there is.
ALTER TABLE issuers ADD COLUMN document TEXT;

-- Issuers that are not found by the iss of a token alone.
CREATE INDEX issuers_special ON issuers (id) WHERE instr(iss, '{tenant}') OR json_extract(document, '$.header') NOTNULL;

CREATE TABLE plans (
  id         TEXT PRIMARY KEY,
  name       TEXT,
  policy     TEXT NOT NULL DEFAULT '{}',
  limits     TEXT NOT NULL DEFAULT '{}',
  upstream   TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  version    INTEGER NOT NULL
) STRICT;

ALTER TABLE tenants ADD COLUMN plan TEXT;
ALTER TABLE tenants ADD COLUMN document TEXT;
-- The issuer whose token made the tenant.
ALTER TABLE tenants ADD COLUMN provisioned_by TEXT;
ALTER TABLE tenants ADD COLUMN provisioned_at INTEGER;

CREATE INDEX tenants_by_plan ON tenants (plan);
CREATE INDEX tenants_by_provisioner ON tenants (provisioned_by, provisioned_at);
