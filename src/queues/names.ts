/** Queue names, as in `wrangler.toml`. */
export const DELIVERIES = "sluice-deliveries";
/** Deliveries to endpoints that failed or took long the last time. */
export const SLOW_DELIVERIES = "sluice-deliveries-slow";
export const DEAD_DELIVERIES = "sluice-deliveries-dead";
/** The target of the Stream account's event subscription. */
export const STREAM_NOTIFICATIONS = "sluice-stream-events";
