-- 1: the last delivery succeeded, but took long. As for a failing endpoint, the next ones go to the queue for slow endpoints.
ALTER TABLE endpoints ADD COLUMN slow INTEGER NOT NULL DEFAULT 0;
-- The longest life in seconds of the grants that tokens of this issuer mint. NULL: the default.
ALTER TABLE issuers ADD COLUMN max_grant_seconds INTEGER;
