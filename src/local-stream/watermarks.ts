import { type Answer, fail, succeed } from "./http.ts";

/** `GET /watermarks` and `/watermarks/:profile`. @param uids of the account's profiles */
export function answerWatermarks(uids: readonly string[], path: readonly string[]): Answer | undefined {
  const [uid, ...rest] = path;
  if (rest.length > 0) return undefined;
  if (uid === undefined) return succeed(uids.map(describeWatermark));
  return uids.includes(uid) ? succeed(describeWatermark(uid)) : fail(404, 10003, "watermark profile not found");
}

/** [C] */
function describeWatermark(uid: string) {
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
