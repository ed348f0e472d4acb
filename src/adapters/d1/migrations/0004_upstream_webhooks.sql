-- Secrets of the webhook of the account, sealed together: the newest first, and the one that it replaces. NULL: none.
ALTER TABLE upstreams ADD COLUMN sealed_webhook_secrets TEXT;
