/** As `wrangler.toml` declares them. */
export const DELIVERIES = "sluice-deliveries";
export const DEAD_DELIVERIES = "sluice-deliveries-dead";
