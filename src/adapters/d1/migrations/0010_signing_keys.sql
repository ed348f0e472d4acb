-- Keys that sign playback tokens, of any upstream, default too. The private key is sealed. Times are milliseconds since the epoch.
CREATE TABLE signing_keys (
  upstream   TEXT NOT NULL,
  id         TEXT NOT NULL, -- at Stream
  account_id TEXT NOT NULL, -- in which Stream knows the key
  created_at INTEGER NOT NULL,
  sealed_jwk TEXT NOT NULL,
  PRIMARY KEY (upstream, id)
) STRICT;

-- Also when the version before deletes an upstream.
CREATE TRIGGER upstream_takes_signing_keys AFTER DELETE ON upstreams
BEGIN DELETE FROM signing_keys WHERE upstream = old.id; END;
