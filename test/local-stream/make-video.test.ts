import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Browser, startBrowser } from "../support/browser.ts";
import { videoFile } from "../support/files.ts";

const SECONDS = 2;

describe("makeVideo", () => {
  const path = videoFile({ seconds: SECONDS });
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.stop());

  it("makes a video that a browser plays to its end", async () => {
    const page = await browser.open();
    const source = `data:video/mp4;base64,${(await readFile(path)).toString("base64")}`;
    const played = page.evaluate(`new Promise((resolve) => {
      const video = document.createElement("video");
      video.muted = true;
      video.onerror = () => resolve(video.error.message);
      video.onended = () => resolve(video.currentTime);
      video.src = "${source}";
      void video.play();
    })`);
    expect(await played).toBe(SECONDS);
  });
});
