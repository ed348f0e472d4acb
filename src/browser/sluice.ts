export type * from "./options.ts";
export { UploadError, uploadErrorOf } from "./upload-error.ts";
export type { GatewayErrorCode, LocalErrorCode, Problem } from "./upload-error.ts";
export { createUploader } from "./upload.ts";
export { uppyTusOptions } from "./uppy.ts";
export type { UppyGatewayOptions, UppyTusOptions, UppyUploadFile } from "./uppy.ts";
