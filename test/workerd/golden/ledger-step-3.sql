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
  due INTEGER, failure TEXT, video TEXT, unwanted INTEGER NOT NULL DEFAULT 0, returns INTEGER NOT NULL DEFAULT 0, bytes_measured INTEGER NOT NULL DEFAULT 0, seconds_measured INTEGER NOT NULL DEFAULT 0);
CREATE TABLE ledger (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  version INTEGER NOT NULL,
  totals  TEXT NOT NULL
  , has_endpoints INTEGER NOT NULL DEFAULT 0, published INTEGER NOT NULL DEFAULT 0);
CREATE TABLE events (
  seq     INTEGER PRIMARY KEY,
  created INTEGER NOT NULL,
  body    TEXT NOT NULL
  );
CREATE TABLE attempts (
  event        INTEGER NOT NULL,
  at           INTEGER NOT NULL,
  endpoint     TEXT NOT NULL,
  outcome      TEXT NOT NULL,
  status       INTEGER,
  reason       TEXT,
  milliseconds INTEGER,
  PRIMARY KEY (event, at, endpoint)
  ) WITHOUT ROWID;
CREATE TABLE schema (one INTEGER PRIMARY KEY CHECK (one = 1), steps INTEGER NOT NULL);
CREATE UNIQUE INDEX uploads_by_idempotency ON uploads (idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX uploads_by_creator ON uploads (creator, id) WHERE creator IS NOT NULL;
CREATE INDEX due_uploads ON uploads (creator, due) WHERE due IS NOT NULL;
CREATE INDEX uploads_by_uid ON uploads (uid) WHERE uid IS NOT NULL;
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due, failure, video, unwanted, returns, bytes_measured, seconds_measured) VALUES(1,'02098a67-8000-7000-8000-000000000001','issued','u_1','11111111111111111111111111111111','https://upload.cloudflarestream.com/11111111111111111111111111111111','key 1','f','default',1000,60.0,2240000000,2240001800,2240001860,NULL,NULL,0,0,0,0);
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due, failure, video, unwanted, returns, bytes_measured, seconds_measured) VALUES(2,'02098a67-8000-7000-8000-000000000002','ready',NULL,'22222222222222222222222222222222',NULL,NULL,NULL,'default',900,12.5,2240000000,2240001800,NULL,NULL,'{"uid":"22222222222222222222222222222222","status":{"state":"ready"}}',0,1,1,1);
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due, failure, video, unwanted, returns, bytes_measured, seconds_measured) VALUES(3,'02098a67-8000-7000-8000-000000000003','cancelled',NULL,'33333333333333333333333333333333',NULL,NULL,NULL,'default',1000,60.0,2240000000,2240001800,2240000030,NULL,NULL,1,0,0,0);
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due, failure, video, unwanted, returns, bytes_measured, seconds_measured) VALUES(4,'02098a67-8000-7000-8000-000000000004','failed',NULL,'44444444444444444444444444444444',NULL,NULL,NULL,'default',1000,60.0,2240000000,2240001800,NULL,'ERR_NON_VIDEO',NULL,0,0,0,0);
INSERT INTO uploads (seq, id, state, creator, uid, location, idempotency, fingerprint, upstream, bytes, seconds, created, expires, due, failure, video, unwanted, returns, bytes_measured, seconds_measured) VALUES(5,'02098a67-8000-7000-8000-000000000005','deleted',NULL,'55555555555555555555555555555555',NULL,NULL,NULL,'default',1000,60.0,2240000000,2240001800,NULL,NULL,NULL,0,0,0,0);
INSERT INTO ledger (one, version, totals, has_endpoints, published) VALUES(1,3,'{"pending":1,"videos":1,"storedSeconds":72.5,"day":{"start":2239920000,"uploads":5,"bytes":2900,"seconds":132.5},"month":{"start":2237932800,"uploads":5,"bytes":2900,"seconds":132.5}}',1,2);
INSERT INTO events (seq, created, body) VALUES(1,2240000000,'{"type":"upload.created","version":1,"timestamp":"2040-12-24T22:13:20.000Z","data":{"tenant":"golden","sequence":1,"upload":{"id":"02098a67-8000-7000-8000-000000000001","state":"issued","uid":"11111111111111111111111111111111","bytes":1000,"seconds":60,"createdAt":"2040-12-24T22:13:20.000Z","expiresAt":"2040-12-24T22:43:20.000Z"}}}');
INSERT INTO events (seq, created, body) VALUES(2,2240000000,'{"type":"upload.ready","version":1,"timestamp":"2040-12-24T22:13:20.000Z","data":{"tenant":"golden","sequence":4,"upload":{"id":"02098a67-8000-7000-8000-000000000002","state":"ready","uid":"22222222222222222222222222222222","bytes":1000,"seconds":60,"createdAt":"2040-12-24T22:13:20.000Z","expiresAt":"2040-12-24T22:43:20.000Z"}}}');
INSERT INTO attempts (event, at, endpoint, outcome, status, reason, milliseconds) VALUES(1,2240000000000,'main','failed',500,NULL,12);
INSERT INTO attempts (event, at, endpoint, outcome, status, reason, milliseconds) VALUES(1,2240000000001,'main','given up',NULL,'it was tried often enough',NULL);
INSERT INTO attempts (event, at, endpoint, outcome, status, reason, milliseconds) VALUES(1,2240000000002,'other','given up',NULL,'the endpoint was deleted',NULL);
INSERT INTO schema (one, steps) VALUES(1,3);
