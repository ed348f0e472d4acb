-- Times are milliseconds since the epoch, and documents JSON as the operator wrote them.

CREATE TABLE tenants (
  id         TEXT PRIMARY KEY,
  name       TEXT,
  policy     TEXT NOT NULL DEFAULT '{}',
  limits     TEXT NOT NULL DEFAULT '{}',
  upstream   TEXT NOT NULL DEFAULT 'default',
  suspended  INTEGER NOT NULL DEFAULT 0,
  abandoned  TEXT NOT NULL DEFAULT 'delete' CHECK (abandoned IN ('delete', 'keep')),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

-- Whether any tenant is on an upstream is asked before that is deleted.
CREATE INDEX tenants_by_upstream ON tenants (upstream);

CREATE TABLE api_keys (
  id         TEXT PRIMARY KEY,
  tenant     TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  name       TEXT NOT NULL,
  hash       TEXT NOT NULL, -- base64 of the SHA-256 of the key
  scopes     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER
) STRICT;

CREATE INDEX api_keys_by_tenant ON api_keys (tenant);

CREATE TABLE issuers (
  id            TEXT PRIMARY KEY,
  iss           TEXT NOT NULL,
  audience      TEXT NOT NULL,
  algorithms    TEXT NOT NULL,
  jwks_url      TEXT,
  jwks          TEXT,
  sealed_secret TEXT,
  tenant        TEXT REFERENCES tenants (id) ON DELETE CASCADE,
  tenant_claim  TEXT,
  subject_claim TEXT NOT NULL,
  scopes        TEXT NOT NULL,
  CHECK ((jwks_url IS NOT NULL) + (jwks IS NOT NULL) + (sealed_secret IS NOT NULL) = 1),
  CHECK ((tenant IS NOT NULL) + (tenant_claim IS NOT NULL) = 1)
) STRICT;

CREATE INDEX issuers_by_iss ON issuers (iss);
CREATE INDEX issuers_by_tenant ON issuers (tenant);

CREATE TABLE upstreams (
  id                TEXT PRIMARY KEY,
  account_id        TEXT NOT NULL,
  api_base          TEXT NOT NULL,
  upload_hosts      TEXT NOT NULL,
  sealed_credential TEXT NOT NULL
) STRICT;
