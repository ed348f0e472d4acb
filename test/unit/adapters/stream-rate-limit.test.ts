import { expect, it } from "vitest";
import { reportRateLimit } from "../../../src/adapters/stream/client.ts";
import type { Upstream } from "../../../src/core/stream/rules/upstream.ts";

const upstream = { id: "eu" } as Upstream;

async function pauses(headers: Record<string, string>, isLimited: boolean): Promise<number[]> {
  const noted: number[] = [];
  const onRateLimited = async (_: Upstream, seconds: number) => void noted.push(seconds);
  await reportRateLimit(
    { deadlineMs: 1, allowLoopback: false, onRateLimited },
    upstream,
    new Response(null, { headers }),
    isLimited,
  );
  return noted;
}

it.each<[Record<string, string>, number[]]>([
  [{ "retry-after": "60" }, [60]],
  [{ "retry-after": "999999" }, [300]],
  [{ "retry-after": "Wed, 25 Nov 2026 00:00:00 GMT" }, [300]],
  [{}, [300]],
])("a limit with %j is believed for as long as Cloudflare's block at most", async (headers, seconds) => {
  expect(await pauses(headers, true)).toEqual(seconds);
});

it.each<[Record<string, string>, number[]]>([
  [{ "x-ratelimit-remaining": "0", "x-ratelimit-reset": "42" }, [42]],
  [{ "x-ratelimit-remaining": "1", "x-ratelimit-reset": "42" }, []],
  [{}, []],
])("an answer with %j closes the budget only where no call is left", async (headers, seconds) => {
  expect(await pauses(headers, false)).toEqual(seconds);
});
