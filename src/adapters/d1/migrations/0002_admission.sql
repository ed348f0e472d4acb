-- Grows with every change of a tenant, its keys and its issuers. Its ledger accepts nothing that was decided by less.
ALTER TABLE tenants ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- API calls in any 5 minutes. NULL: the default.
ALTER TABLE upstreams ADD COLUMN calls_per_window INTEGER;
