/** Queue names, as in `wrangler.toml`. */
export const DELIVERIES = "sluice-deliveries";
export const DEAD_DELIVERIES = "sluice-deliveries-dead";
/** The target of the Stream account's event subscription. */
export const STREAM_NOTIFICATIONS = "sluice-stream-events";
