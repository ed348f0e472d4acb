import { describe, expect, it } from "vitest";
import { acme, as, create, documentOf, mint, newKey, report, resetAcme } from "../support/acme.ts";

/** What the document of an upload tells the tenant's backend. */

resetAcme();

describe("an upload", () => {
  it("carries what ties it to the backend's record", async () => {
    await newKey({ custom: { project: {} } });
    const grant = await mint({ reference: "order 7 🎬", subject: "user-1" });
    const { id } = await create(grant, { name: "cats.mp4", project: "cats", other: "dropped" });
    const expected = {
      id,
      name: "cats.mp4",
      meta: { project: "cats" },
      grant: expect.stringMatching(/^[0-9a-f-]{36}$/),
      reference: "order 7 🎬",
    };
    const document = await documentOf(id);
    expect(document).toMatchObject(expected);
    expect(document).not.toHaveProperty("idempotencyKey");
    const { uploads } = await (await as(acme.key, "GET", "/uploads?limit=1")).json<{ uploads: object[] }>();
    expect(uploads).toEqual([document]);
  });

  it("carries the Idempotency-Key of its creation", async () => {
    const headers = { "Tus-Resumable": "1.0.0", "Upload-Length": "5", "Idempotency-Key": "lesson 1" };
    const created = await as(acme.key, "POST", "/uploads", { headers });
    const id = created.headers.get("sluice-upload-id");
    expect(await (await as(acme.key, "GET", `/uploads/${id}`)).json()).toMatchObject({ idempotencyKey: "lesson 1" });
  });

  it("says how to show its video once it is ready", async () => {
    const { id, uid } = await create(acme.key);
    for (const member of ["playback", "thumbnail", "input", "signed"])
      expect(await documentOf(id)).not.toHaveProperty(member);
    const shown = {
      playback: { hls: "https://s.example/v.m3u8", dash: "https://s.example/v.mpd" },
      thumbnail: "https://s.example/t.jpg",
      input: { width: 640, height: 360 },
    };
    await report(uid, "ready", { ...shown, requireSignedURLs: true });
    expect(await documentOf(id)).toMatchObject({ state: "ready", ...shown, signed: true });
  });
});
