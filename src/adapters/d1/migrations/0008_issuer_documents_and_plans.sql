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
-- The issuer whose token made the tenant, and the iss of that token.
ALTER TABLE tenants ADD COLUMN provisioned_by TEXT;
ALTER TABLE tenants ADD COLUMN provisioned_iss TEXT;
ALTER TABLE tenants ADD COLUMN provisioned_at INTEGER;

-- The version before writes only the older columns, and no limits with a blank: the tenant then leaves the plan.
CREATE TRIGGER tenant_leaves_plan AFTER UPDATE OF limits ON tenants WHEN new.document NOTNULL AND new.limits <> '{"pending": 0}'
BEGIN UPDATE tenants SET plan = NULL, document = NULL WHERE id = new.id; END;

-- A page of the tenants of an upstream reads no others.
DROP INDEX tenants_by_upstream;
CREATE INDEX tenants_by_upstream ON tenants (upstream, id, plan);
CREATE INDEX tenants_by_plan ON tenants (plan);
CREATE INDEX tenants_by_provisioner ON tenants (provisioned_by, provisioned_at);
