import type { VideoJson } from "../../stream/rules/video-document.ts";
import type { Upload, UploadState } from "./upload-state.ts";

/**
 * Retention of finished uploads without a video at Stream. They stop counting when their month ends, and stay a little
 * longer so that tenants can read them.
 */
export const KEEP_FINISHED_SECONDS = 40 * 24 * 60 * 60;

/** An upload as the ledger stores it. */
export interface UploadRecord extends Upload {
  readonly upstream: string;
  /** The video has to be deleted, whatever its state. */
  readonly deletionRequested: boolean;
  /** The video was to be deleted, and Stream has not confirmed it yet. */
  readonly deletionPending: boolean;
  /** The latest video object from Stream; undefined until Stream has sent one. */
  readonly video?: VideoJson;
}

/** Whose uploads. A ledger object receives these fields over RPC, so their names are fixed. */
export interface CreatorFilter {
  /** The key of a person; with `orLabel`, the subject of any, or what Stream is told of them. */
  readonly creator?: string;
  /** An object of the version before ignores it, and knows no uploads for which it makes a difference. */
  readonly orLabel?: true;
  /** Only those of which Stream is told this, and not the subject. */
  readonly label?: string;
}

/** A ledger object receives these fields over RPC, so their names are fixed. */
export interface UploadQuery extends CreatorFilter {
  readonly state?: UploadState;
  /** Created at or after; seconds since the epoch. */
  readonly from?: number;
  /** Created before; seconds since the epoch. */
  readonly to?: number;
  /** Oldest first; the default is newest first. */
  readonly ascending?: boolean;
  /** The `cursor` of the previous page. */
  readonly cursor?: string;
  readonly limit: number;
  readonly video?: VideoFilter;
}

/** Stream's filters by uid and name; all of them have to match. The name is that of the video's `meta`. */
export interface VideoFilter {
  readonly uids?: readonly string[];
  /** Names or uids. */
  readonly names?: readonly string[];
  readonly name?: string;
  /** A part of the name. Case is ignored for ASCII letters. */
  readonly search?: string;
}

/** A page with a cursor may hold fewer uploads than the limit, or none, without being the last. */
export interface UploadPage {
  readonly uploads: readonly UploadRecord[];
  readonly cursor?: string;
}
