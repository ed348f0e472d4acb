/** The one webhook that a Stream account has. */
export interface StreamWebhook {
  readonly notificationUrl: string;
  /** What its events are signed with; undefined: Stream does not show it. */
  readonly secret?: string;
}
export type SignedWebhook = Required<StreamWebhook>;
