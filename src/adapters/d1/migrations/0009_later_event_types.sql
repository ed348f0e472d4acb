-- Event types that an endpoint names and version 0.1 does not know. It reads the column events, and fails on a type that is new to it.
ALTER TABLE endpoints ADD COLUMN later_events TEXT;
