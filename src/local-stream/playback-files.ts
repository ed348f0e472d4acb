import type { Rendition } from "./rendition.ts";
import type { Video } from "./videos.ts";

/** What the playback host makes of a video. Links are relative, so that they keep the token in the path. */

/** Below the video's uid or token: the uploaded file, which the pages play. */
export const FILE_PATH = "video/original.mp4";
/** Below the video's uid or token: the rendition, which the manifests play. */
export const RENDITION_PATH = "video/rendition.mp4";

/** RFC 8216: a playlist of one segment. */
export function hlsManifest({ duration }: Video, { initBytes, bytes }: Rendition): string {
  return [
    "#EXTM3U",
    "#EXT-X-VERSION:7",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    `#EXT-X-TARGETDURATION:${Math.ceil(duration)}`,
    `#EXT-X-MAP:URI="../${RENDITION_PATH}",BYTERANGE="${initBytes}@0"`,
    `#EXTINF:${duration},`,
    `#EXT-X-BYTERANGE:${bytes - initBytes}@${initBytes}`,
    `../${RENDITION_PATH}`,
    "#EXT-X-ENDLIST",
    "",
  ].join("\n");
}

/** ISO/IEC 23009-1: one representation of one segment. */
export function dashManifest({ duration, width, height }: Video, { initBytes, bytes, codecs }: Rendition): string {
  const bandwidth = Math.ceil((bytes * 8) / duration);
  return `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-main:2011" type="static" mediaPresentationDuration="PT${duration}S" minBufferTime="PT2S">
  <Period>
    <AdaptationSet mimeType="video/mp4" codecs="${codecs}">
      <Representation id="1" bandwidth="${bandwidth}" width="${width}" height="${height}">
        <BaseURL>../${RENDITION_PATH}</BaseURL>
        <SegmentList duration="${Math.ceil(duration)}">
          <Initialization range="0-${initBytes - 1}" />
          <SegmentURL mediaRange="${initBytes}-${bytes - 1}" />
        </SegmentList>
      </Representation>
    </AdaptationSet>
  </Period>
</MPD>
`;
}

/** A page that plays the video: for a browser's window and for an `iframe`. */
export function playerPage({ meta, uid }: Video): string {
  const title = escapeHtml(typeof meta["name"] === "string" && meta["name"] !== "" ? meta["name"] : uid);
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>${title}</title>
    <style>
      body { margin: 0; background: black; }
      video { display: block; width: 100vw; height: 100vh; }
    </style>
  </head>
  <body>
    <video controls playsinline preload="metadata" src="${FILE_PATH}" poster="thumbnails/thumbnail.jpg"></video>
  </body>
</html>
`;
}

/** `name` is what the uploader says. */
function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

/** A grey picture of 16 × 9 pixels, for every video. */
export const THUMBNAIL = Buffer.from(
  [
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeX",
    "BkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/wAARCAAJ",
    "ABADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAP/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFAEBAAAAAAAAAAAAAAAAAAAAAP/EAB",
    "QRAQAAAAAAAAAAAAAAAAAAAAD/2gAMAwEAAhEDEQA/AJAA/9k=",
  ].join(""),
  "base64",
);
