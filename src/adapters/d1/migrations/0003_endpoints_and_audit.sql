CREATE TABLE endpoints (
  tenant          TEXT NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
  id              TEXT NOT NULL,
  url             TEXT NOT NULL,
  description     TEXT,
  events          TEXT, -- JSON. NULL: all
  sealed_secrets  TEXT NOT NULL,
  disabled_at     INTEGER,
  disabled_reason TEXT,
  failing_since   INTEGER, -- the first failure since the last success
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  PRIMARY KEY (tenant, id),
  CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
) STRICT;

-- What was changed, and by whom. It outlives what it is about, so it refers to nothing.
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL CHECK (actor IN ('operator', 'sluice')),
  action  TEXT NOT NULL,
  target  TEXT NOT NULL,
  tenant  TEXT,
  details TEXT NOT NULL
) STRICT;

CREATE INDEX audit_by_tenant ON audit (tenant);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'The audit is only added to.'); END;
CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'The audit is only added to.'); END;
