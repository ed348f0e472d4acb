/** The one webhook of a Stream account. */
export interface StreamWebhook {
  readonly notificationUrl: string;
  /** Signs the notifications; absent if Stream does not show it. */
  readonly secret?: string;
}
export type SignedWebhook = Required<StreamWebhook>;
