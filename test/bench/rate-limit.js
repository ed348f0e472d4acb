/**
 * A rate limit as in production: a counter in memory. Miniflare's is a Durable Object that writes to a database, which costs more
 * than the gateway's whole refusal.
 */
export default function rateLimit({ limit, period }) {
  const counts = new Map();
  let window = 0;
  return {
    async limit({ key }) {
      const now = Math.floor(Date.now() / (period * 1000));
      if (now !== window) counts.clear();
      window = now;
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return { success: count <= limit };
    },
  };
}
