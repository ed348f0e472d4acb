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
INSERT INTO "attempts" VALUES(1,2240000000000,'main','failed',500,NULL,12);
INSERT INTO "attempts" VALUES(1,2240000000001,'main','given up',NULL,'it was tried often enough',NULL);
INSERT INTO "attempts" VALUES(1,2240000000002,'other','given up',NULL,'the endpoint was deleted',NULL);
CREATE TABLE events (
  seq     INTEGER PRIMARY KEY,
  created INTEGER NOT NULL,
  body    TEXT NOT NULL
  );
INSERT INTO "events" VALUES(1,2240000000,'{"type":"upload.created","version":1,"timestamp":"2040-12-24T22:13:20.000Z","data":{"tenant":"golden","sequence":1,"upload":{"id":"02098a67-8000-7000-8000-000000000001","state":"issued","uid":"11111111111111111111111111111111","bytes":1000,"seconds":60,"createdAt":"2040-12-24T22:13:20.000Z","expiresAt":"2040-12-24T22:43:20.000Z"}}}');
INSERT INTO "events" VALUES(2,2240000000,'{"type":"upload.ready","version":1,"timestamp":"2040-12-24T22:13:20.000Z","data":{"tenant":"golden","sequence":4,"upload":{"id":"02098a67-8000-7000-8000-000000000002","state":"ready","uid":"22222222222222222222222222222222","bytes":1000,"seconds":60,"createdAt":"2040-12-24T22:13:20.000Z","expiresAt":"2040-12-24T22:43:20.000Z"}}}');
CREATE TABLE ledger (
  one     INTEGER PRIMARY KEY CHECK (one = 1),
  version INTEGER NOT NULL,
  totals  TEXT NOT NULL
  , has_endpoints INTEGER NOT NULL DEFAULT 0, published INTEGER NOT NULL DEFAULT 0, batch INTEGER NOT NULL DEFAULT 1, uncounted_from TEXT NOT NULL DEFAULT '', rekeyed INTEGER NOT NULL DEFAULT 0, signed_from INTEGER NOT NULL DEFAULT 0);
INSERT INTO "ledger" VALUES(1,3,'{"pending":1,"videos":1,"storedSeconds":72.5,"day":{"start":2239920000,"uploads":5,"bytes":2900,"seconds":132.5},"month":{"start":2237932800,"uploads":5,"bytes":2900,"seconds":132.5}}',1,2,1,'',2240000000,2240000000);
CREATE TABLE months (start INTEGER PRIMARY KEY, totals TEXT NOT NULL);
CREATE TABLE schema (one INTEGER PRIMARY KEY CHECK (one = 1), steps INTEGER NOT NULL);
INSERT INTO "schema" VALUES(1,8);
CREATE TABLE "uploads" (
      id               TEXT PRIMARY KEY,
      state            TEXT NOT NULL,
      created          INTEGER NOT NULL,
      expires          INTEGER NOT NULL,
      due              INTEGER,
      bytes            INTEGER NOT NULL,
      seconds          REAL NOT NULL,
      lost             INTEGER NOT NULL DEFAULT 0,
      unwanted         INTEGER NOT NULL DEFAULT 0,
      batch            INTEGER NOT NULL DEFAULT 0,
      upstream         TEXT NOT NULL,
      uid              TEXT,
      creator          TEXT,
      returns          INTEGER NOT NULL DEFAULT 0,
      bytes_measured   INTEGER NOT NULL DEFAULT 0,
      seconds_measured INTEGER NOT NULL DEFAULT 0,
      deletions        INTEGER NOT NULL DEFAULT 0,
      failure          TEXT,
      idempotency      TEXT,
      fingerprint      TEXT,
      grant_id         TEXT,
      reference        TEXT,
      name             TEXT,
      location         TEXT,
      meta             TEXT,
      video            TEXT
    , day INTEGER) WITHOUT ROWID;
INSERT INTO "uploads" VALUES('02098a67-8000-7000-8000-000000000001','issued',2240000000,2240001800,2240001860,1000,60.0,0,0,0,'default','11111111111111111111111111111111','u_1',0,0,0,0,NULL,'["tenant","u_1","key 1"]','f',NULL,NULL,NULL,'https://upload.cloudflarestream.com/11111111111111111111111111111111',NULL,NULL,NULL);
INSERT INTO "uploads" VALUES('02098a67-8000-7000-8000-000000000002','ready',2240000000,2240001800,NULL,900,12.5,0,0,0,'default','22222222222222222222222222222222','golden',1,1,1,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"uid":"22222222222222222222222222222222","status":{"state":"ready"}}',NULL);
INSERT INTO "uploads" VALUES('02098a67-8000-7000-8000-000000000003','cancelled',2240000000,2240001800,2240000030,1000,60.0,0,1,0,'default','33333333333333333333333333333333',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "uploads" VALUES('02098a67-8000-7000-8000-000000000004','failed',2240000000,2240001800,NULL,1000,60.0,0,0,0,'default','44444444444444444444444444444444',NULL,0,0,0,0,'ERR_NON_VIDEO',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "uploads" VALUES('02098a67-8000-7000-8000-000000000005','deleted',2240000000,2240001800,NULL,1000,60.0,0,0,0,'default','55555555555555555555555555555555',NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "uploads" VALUES('02098a67-8000-7000-8000-000000000006','reserved',2240000000,2240001800,2240001860,1000,60.0,0,0,1,'default',NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE UNIQUE INDEX uploads_by_idempotency ON uploads (idempotency) WHERE idempotency IS NOT NULL;
CREATE INDEX uploads_by_creator ON uploads (creator, id) WHERE creator IS NOT NULL;
CREATE INDEX due_uploads ON uploads (creator, due) WHERE due IS NOT NULL;
CREATE INDEX uploads_by_uid ON uploads (uid) WHERE uid IS NOT NULL;
CREATE TABLE handovers (due INTEGER NOT NULL, event INTEGER NOT NULL, PRIMARY KEY (due, event)) WITHOUT ROWID;
CREATE TABLE checked_events (seq INTEGER NOT NULL);
INSERT INTO "checked_events" VALUES(2);
