import type { VideoTag } from "../stream/rules/video-tag.ts";

/** Signs and verifies the tags by which the gateway recognizes its videos. */
export interface VideoTags {
  /** @returns `<tenant>/<upload id>/<mac>` */
  sign(tenant: string, uploadId: string): Promise<string>;
  /** Whether this gateway has signed the tag, with any of its keys. */
  verify(tag: VideoTag): Promise<boolean>;
}
