-- The largest file in bytes and the longest video in seconds that the account takes. NULL: the default.
ALTER TABLE upstreams ADD COLUMN max_upload_bytes INTEGER;
ALTER TABLE upstreams ADD COLUMN max_video_seconds INTEGER;
