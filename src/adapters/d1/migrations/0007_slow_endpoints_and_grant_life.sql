-- 1: the last delivery failed or took long, so the next ones go through the queue for slow endpoints.
ALTER TABLE endpoints ADD COLUMN slow INTEGER NOT NULL DEFAULT 0;
-- The longest life in seconds of the grants that tokens of this issuer mint. NULL: the default.
ALTER TABLE issuers ADD COLUMN max_grant_seconds INTEGER;
