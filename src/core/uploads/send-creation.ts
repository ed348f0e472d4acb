import type { StreamApi } from "../ports/stream.ts";
import type { StreamOutcome } from "../stream/rules/creation.ts";
import type { DecidedCreation } from "./admit-upload.ts";
import { type MakeClipPorts, makeClip } from "./make-clip.ts";
import { writeClip } from "./rules/clip.ts";
import { writeCopy } from "./rules/copy.ts";
import { writeDirectUpload } from "./rules/direct-upload.ts";
import { encodeUploadMetadata } from "./rules/upload-metadata.ts";

/** Sends a creation to Stream. @param metadata as it was decided, with the tag */
export function sendCreation(
  ports: MakeClipPorts & { readonly stream: StreamApi },
  { content, tenant, decision: { length, creator }, upstream }: DecidedCreation,
  metadata: ReadonlyMap<string, string>,
): Promise<StreamOutcome> {
  const { stream } = ports;
  switch (content.kind) {
    case "tus":
      return stream.create(upstream, {
        length,
        metadata: encodeUploadMetadata(metadata),
        ...(creator !== undefined && { creator }),
      });
    case "direct":
      return stream.createDirect(upstream, writeDirectUpload(metadata, creator));
    case "copy":
      return stream.make(upstream, { kind: "copy", body: writeCopy(content.url, metadata, creator) });
    case "clip":
      return makeClip(ports, upstream, tenant.id, writeClip(content.clip, metadata, creator));
    default:
      return content satisfies never;
  }
}
