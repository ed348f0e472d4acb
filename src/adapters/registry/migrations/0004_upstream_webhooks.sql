-- Secrets of the account's webhook, sealed together: the newest first, and the one that it replaces. NULL: none.
ALTER TABLE upstreams ADD COLUMN sealed_webhook_secrets TEXT;
