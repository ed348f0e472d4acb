import type { Video } from "./videos.ts";

/** A video as the API shows it. */
export type VideoDescription = ReturnType<typeof describeVideo>;

/**
 * The documented fields [C]; absent values (null or -1) follow Cloudflare's samples [S].
 *
 * @param origin of the playback host
 */
export function describeVideo(video: Video, origin: string) {
  const time = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString());
  const ready = video.state === "ready";
  return {
    uid: video.uid,
    creator: video.creator,
    thumbnail: `${origin}/${video.uid}/thumbnails/thumbnail.jpg`,
    thumbnailTimestampPct: video.thumbnailTimestampPct,
    readyToStream: ready,
    readyToStreamAt: time(video.readyAt),
    status: {
      state: video.state,
      pctComplete: ready ? "100.000000" : "0.000000",
      errorReasonCode: video.errorReasonCode,
      errorReasonText: video.errorReasonText,
    },
    meta: video.meta,
    created: time(video.created),
    modified: time(video.modified),
    scheduledDeletion: time(video.scheduledDeletion),
    size: video.size,
    preview: `${origin}/${video.uid}/watch`,
    allowedOrigins: video.allowedOrigins,
    requireSignedURLs: video.requireSignedURLs,
    uploaded: time(video.uploaded),
    // Only of what is uploaded. [U]
    uploadExpiry: time(video.kind === "tus" || video.kind === "basic" ? video.uploadExpiry : null),
    ...(video.clip && { clippedFrom: video.clip.of }), // [C]
    maxSizeBytes: null,
    maxDurationSeconds: video.maxDurationSeconds,
    duration: video.duration,
    input: { width: video.width, height: video.height },
    playback: {
      hls: `${origin}/${video.uid}/manifest/video.m3u8`,
      dash: `${origin}/${video.uid}/manifest/video.mpd`,
    },
    ...(video.publicDetails && { publicDetails: video.publicDetails }),
    watermark: video.watermark === null ? null : describeWatermark(video.watermark), // [C]
  };
}

/** A watermark profile, as the API shows it. [C] */
export function describeWatermark(uid: string) {
  return {
    uid,
    name: "Logo",
    created: "2026-01-01T00:00:00Z",
    size: 29_472,
    width: 600,
    height: 400,
    opacity: 0.75,
    padding: 0.1,
    position: "upperRight",
    scale: 0.1,
    downloadedFrom: `https://pictures.example/${uid}.png?signature=secret`,
  };
}
