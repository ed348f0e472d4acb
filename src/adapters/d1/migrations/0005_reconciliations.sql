-- How far the comparison of an upstream with the ledgers has come. Times are seconds since the epoch, and documents JSON.
CREATE TABLE reconciliations (
  upstream TEXT PRIMARY KEY,
  revision INTEGER NOT NULL, -- grows with every change: of two runs at once, one stops
  running  TEXT,             -- the sweep with its cursor and counts
  finished TEXT,             -- the last one that came to its end
  failure  TEXT              -- the last time that a sweep could not go on
) STRICT;
