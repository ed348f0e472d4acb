import type { Comparison, VideoPage } from "../../core/reconciliation/rules/comparison.ts";
import type { VerifiedVideo } from "../../core/stream/rules/video.ts";
import { isOfTime, provesUpload } from "../../core/stream/rules/video-tag.ts";
import { isLive, isMissingUpstream, isVideoLost } from "../../core/uploads/rules/upload-state.ts";
import type { LedgerHost } from "./host.ts";
import type { LedgerQueries } from "./queries.ts";
import { importedUpload, isOlder, progressOf, shortJson } from "./row-mapping.ts";
import type { UploadRow } from "./schema.ts";
import type { LedgerStore } from "./store.ts";
import type { UploadWriter } from "./upload-writer.ts";

/** Applies what Stream reports about videos: in a notification, in a search for lost creations, and in a list of all videos. */
export class VideoReports {
  readonly #store: LedgerStore;
  readonly #queries: LedgerQueries;
  readonly #writer: UploadWriter;
  readonly #host: LedgerHost;

  constructor(store: LedgerStore, queries: LedgerQueries, writer: UploadWriter, host: LedgerHost) {
    this.#store = store;
    this.#queries = queries;
    this.#writer = writer;
    this.#host = host;
  }

  record(upstream: string, video: VerifiedVideo): boolean {
    return this.#store.transaction(() => {
      const row = this.#findUploadFor(upstream, video);
      if (row) this.#applyReport(row, video);
      return row !== undefined;
    });
  }

  /** The videos that a search for lost creations has found, which are all of those in its time span. */
  recordSearch(upstream: string, { videos, ...span }: VideoPage<VerifiedVideo>): void {
    this.#store.transaction(() => {
      for (const video of videos) {
        const row = this.#findUploadFor(upstream, video);
        if (row && isVideoLost(progressOf(row))) this.#applyReport(row, video);
      }
      this.#store.endLastLook(upstream, span, this.#host.now());
    });
  }

  reconcile(upstream: string, { from, to, videos }: VideoPage<VerifiedVideo>): Comparison {
    return this.#store.transaction(() => {
      let [settled, imported] = [0, 0];
      const unmanaged: string[] = [];
      for (const video of videos) {
        const { uid } = video.report;
        const row = this.#findUploadFor(upstream, video);
        if (row && this.#applyListedVideo(row, video).state !== row.state) settled++;
        if (row) continue;
        if (this.#importVideo(upstream, video)) imported++;
        else if (!provesUpload(video) && !this.#queries.find(uid)) unmanaged.push(uid);
      }
      const listed = new Set(videos.map(({ report }) => report.uid));
      const expected = this.#queries.expectedBetween(upstream, from, to);
      const missing = expected.rows.filter(({ uid }) => uid !== null && !listed.has(uid));
      if (missing.length > 0) {
        const now = this.#host.now();
        this.#store.makeDue(
          missing.map(({ id }) => id),
          now,
        );
        this.#host.scheduleAlarm(now);
      }
      const reached = expected.to < to ? { to: expected.to } : {};
      return { settled, imported, missing: missing.length, ...(unmanaged.length > 0 && { unmanaged }), ...reached };
    });
  }

  /**
   * The upload of a video, by uid; by tag, or by a clip's parent, only if its uid is not known.
   *
   * @returns undefined unless the upstream matches
   */
  #findUploadFor(upstream: string, video: VerifiedVideo): UploadRow | undefined {
    const row = this.#queries.byUid(video.report.uid) ?? this.#findByTag(video) ?? this.#findByParent(video);
    return row?.upstream === upstream ? row : undefined;
  }

  /** An unsigned tag counts only for uploads from before tags were signed. */
  #findByTag(video: VerifiedVideo): UploadRow | undefined {
    const row = video.tag && this.#queries.byId(video.tag.uploadId);
    if (!row || row.uid !== null) return undefined;
    const isHint = row.created < this.#store.signedFrom && isOfTime(video.created, row.created);
    return isHint || provesUpload(video) ? row : undefined;
  }

  /**
   * The lost creation of a clip that Stream has given the tag of its parent, or none (assumed). While another clip of that parent waits
   * for its answer, the video may be that one's.
   */
  #findByParent({ source, json, created }: VerifiedVideo): UploadRow | undefined {
    if (source !== "clip") return undefined;
    const clips = this.#queries.clipsWithoutUid(String(json["clippedFrom"]));
    return clips.every(({ lost }) => lost !== 0) ? clips.find((row) => isOfTime(created, row.created)) : undefined;
  }

  /** Late reports do not replace the stored video object. */
  #applyReport(row: UploadRow, { report, json }: VerifiedVideo): UploadRow {
    const isCurrent = (isLive(row.state) || report.kind === "ready") && !isOlder(json, row, this.#host.now());
    return this.#writer.apply(row, { kind: "reported", report }, isCurrent ? { video: shortJson(json) } : {});
  }

  /** Unlike a notification, a listed video is certainly at Stream now, so a missing one is restored. */
  #applyListedVideo(row: UploadRow, video: VerifiedVideo): UploadRow {
    const { report, json } = video;
    if (report.kind !== "ready" || !isMissingUpstream(progressOf(row))) return this.#applyReport(row, video);
    return this.#writer.apply(row, { kind: "restored", report }, { video: shortJson(json) });
  }

  /** Imports an unknown video that has a signed tag of this tenant. @returns whether it was imported */
  #importVideo(upstream: string, video: VerifiedVideo): boolean {
    const upload = importedUpload(upstream, video, this.#host.now());
    // A tag may be copied to another video, and two upstreams of one account list the same video.
    if (!upload || this.#queries.find(upload.id) || this.#queries.find(video.report.uid)) return false;
    this.#writer.insert(upload);
    const row = this.#queries.byId(upload.id);
    if (row) this.#writer.queueEvent(row);
    return true;
  }
}
