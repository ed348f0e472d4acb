/** Of a type or a subtype, in lower case: RFC 6838, section 4.2. */
const NAME = String.raw`[a-z\d][a-z\d_!#$&^.+-]*`;
const MEDIA_TYPE = new RegExp(`^${NAME}/${NAME}$`);

/** Declared for a file whose type is not known. */
const UNKNOWN_TYPE = "application/octet-stream";

/** An entry of `fileTypes`: a media type, all subtypes of a type, or the end of a file's name. */
export const FILE_TYPE = new RegExp(String.raw`^(?:${NAME}/(?:\*|${NAME})|\.[a-z\d_-]+)$`);

/** Without parameters like `codecs`. */
export function mediaTypeOf(text: string): string {
  return text.split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/**
 * Media types of files that Stream takes, by extension.
 *
 * @see https://developers.cloudflare.com/stream/uploading-videos/
 */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  "3gp": "video/3gpp",
  avi: "video/x-msvideo",
  flv: "video/x-flv",
  m4v: "video/x-m4v",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  mpg: "video/mpeg",
  mxf: "application/mxf",
  ts: "video/mp2t",
  webm: "video/webm",
};

/** The media type of a file by the extension of its name, which is in lower case; "" if it is not known. */
export function mediaTypeOfName(fileName: string): string {
  const extension = fileName.slice(fileName.lastIndexOf(".") + 1);
  return (Object.hasOwn(MEDIA_TYPES, extension) && MEDIA_TYPES[extension]) || "";
}

/** An extension counts only where no type is declared: it says less than a type. */
export function fitsFileTypes(fileTypes: readonly string[], mediaType: string, fileName: string): boolean {
  const isUnknown = mediaType === "" || mediaType === UNKNOWN_TYPE;
  return fileTypes.some((entry) =>
    isExtension(entry) ? isUnknown && fileName.endsWith(entry) : mediaTypeMatches(entry, mediaType),
  );
}

/** Whether a file fits an entry of both lists. */
export function fileTypesMeet(a: readonly string[], b: readonly string[]): boolean {
  return a.some((entry) =>
    b.some(
      (other) => entry === other || mediaTypeMatches(entry, typeFor(other)) || mediaTypeMatches(other, typeFor(entry)),
    ),
  );
}

/** The media type, or all of them, with which a file fits an entry. */
function typeFor(entry: string): string {
  return isExtension(entry) ? UNKNOWN_TYPE : entry;
}

function isExtension(entry: string): boolean {
  return entry.startsWith(".");
}

function mediaTypeMatches(entry: string, type: string): boolean {
  return entry.endsWith("/*") ? type.startsWith(entry.slice(0, -1)) && MEDIA_TYPE.test(type) : entry === type;
}
