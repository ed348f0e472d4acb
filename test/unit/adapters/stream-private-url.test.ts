import { afterEach, describe, expect, it, vi } from "vitest";
import { createStreamClient } from "../../../src/adapters/stream/client.ts";
import { createStreamApi } from "../../../src/adapters/stream/stream-api.ts";
import { createStreamWebhooks } from "../../../src/adapters/stream/webhooks.ts";
import type { DirectUpload } from "../../../src/core/uploads/rules/direct-upload.ts";
import { upstreamFixture } from "../../support/upstream-fixture.ts";

afterEach(() => vi.unstubAllGlobals());

/** Stored by a version that accepted it, or while loopback was allowed. */
describe.each(["https://10.0.0.1", "https://stream.default.svc", "http://localhost:8080"])(
  "the stored apiBase %s",
  (apiBase) => {
    const upstream = upstreamFixture({ apiBase });
    const client = createStreamClient({ deadlineMs: 1_000, allowLoopback: false, onRateLimited: async () => {} });
    const api = createStreamApi(client, false);

    it("gets no request, and so no creation is pending", async () => {
      const fetched = vi.fn<typeof fetch>();
      vi.stubGlobal("fetch", fetched);
      const refused = { kind: "refused", problem: { code: "stream_unreachable", facts: { reason: NOT_ALLOWED } } };
      expect(await api.create(upstream, { length: 5, metadata: "" })).toMatchObject(refused);
      expect(await api.createDirect(upstream, {} as DirectUpload)).toMatchObject(refused);
      expect(await api.video(upstream, "0".repeat(32))).toBeUndefined();
      expect(await api.uploadUrlState(`${apiBase}/tus/1`)).toBe("unclear");
      expect(await createStreamWebhooks(client).current(upstream)).toMatchObject({
        problem: { code: "stream_unreachable", detail: `Stream cannot be reached: ${NOT_ALLOWED}` },
      });
      expect(fetched).not.toHaveBeenCalled();
    });
  },
);

const NOT_ALLOWED = "the URL is not allowed";
