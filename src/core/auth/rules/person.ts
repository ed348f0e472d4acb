/** Who owns an upload: compared code unit by code unit. */
export interface Person {
  readonly namespace: string;
  readonly subject: string;
}

/** Of grants minted with an API key, of the Upload-Creator of an API key, and of all uploads and issuers of earlier versions. */
export const TENANT_NAMESPACE = "tenant";
