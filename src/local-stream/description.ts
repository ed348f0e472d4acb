import type { Video } from "./videos.ts";

/** A video as the API shows it. */
export type VideoDescription = ReturnType<typeof describeVideo>;

/** The documented fields [C]; absent values (null or -1) follow Cloudflare's samples [S]. */
export function describeVideo(video: Video) {
  const time = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString());
  const ready = video.state === "ready";
  return {
    uid: video.uid,
    creator: video.creator,
    thumbnail: `https://videodelivery.net/${video.uid}/thumbnails/thumbnail.jpg`,
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
    preview: `https://watch.videodelivery.net/${video.uid}`,
    allowedOrigins: video.allowedOrigins,
    requireSignedURLs: video.requireSignedURLs,
    uploaded: time(video.uploaded),
    uploadExpiry: time(video.uploadExpiry),
    maxSizeBytes: null,
    maxDurationSeconds: video.maxDurationSeconds,
    duration: video.duration,
    input: { width: video.width, height: video.height },
    playback: {
      hls: `https://videodelivery.net/${video.uid}/manifest/video.m3u8`,
      dash: `https://videodelivery.net/${video.uid}/manifest/video.mpd`,
    },
    ...(video.publicDetails && { publicDetails: video.publicDetails }),
    watermark: video.watermark === null ? null : { uid: video.watermark },
  };
}
