import type { UploadRecord } from "../../core/uploads/rules/upload-record.ts";

/** As it leaves the object: its calls carry Stream's own object as text. */
export type StoredUpload = Omit<UploadRecord, "video"> & { readonly video?: string };
