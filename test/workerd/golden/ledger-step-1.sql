CREATE TABLE uploads (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  state       TEXT NOT NULL,
  creator     TEXT,
  uid         TEXT,
  location    TEXT,
  idempotency TEXT,
  fingerprint TEXT,
  upstream    TEXT NOT NULL,
  bytes       INTEGER NOT NULL,
  seconds     REAL NOT NULL,
  created     INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  due         INTEGER NOT NULL
  );
CREATE TABLE ledger (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  version INTEGER NOT NULL,
  totals  TEXT NOT NULL
  );
CREATE UNIQUE INDEX uploads_by_idempotency ON uploads (idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX uploads_by_creator ON uploads (creator, seq) WHERE creator IS NOT NULL;
CREATE INDEX live_uploads ON uploads (creator, due) WHERE state IN ('reserved', 'unknown', 'issued');
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due) VALUES(1,'02098a67-8000-7000-8000-000000000001','issued','u_1','11111111111111111111111111111111','https://upload.cloudflarestream.com/11111111111111111111111111111111','key 1','f','default',1000,60.0,2240000000,2240001800,2240001860);
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due) VALUES(2,'02098a67-8000-7000-8000-000000000002','ready',NULL,'22222222222222222222222222222222',NULL,NULL,NULL,'default',900,12.5,2240000000,2240001800,2240001860);
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due) VALUES(3,'02098a67-8000-7000-8000-000000000003','cancelled',NULL,'33333333333333333333333333333333',NULL,NULL,NULL,'default',1000,60.0,2240000000,2240001800,2240000030);
INSERT INTO ledger (one, version, totals) VALUES(1,3,'{"pending":1,"storedSeconds":72.5,"day":{"start":2239920000,"uploads":3,"bytes":1900,"seconds":72.5},"month":{"start":2237932800,"uploads":3,"bytes":1900,"seconds":72.5}}');
