/** As `wrangler.toml` declares them. */
export const DELIVERIES = "sluice-deliveries";
export const DEAD_DELIVERIES = "sluice-deliveries-dead";
/** Of the account's event subscription. */
export const STREAM_EVENTS = "sluice-stream-events";
