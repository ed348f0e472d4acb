import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import { readJson, writeJson } from "./json-file.ts";

/** The account's webhook as the API shows it. [C] */
export interface WebhookSetting {
  readonly notificationUrl: string;
  readonly secret: string;
  readonly modified: string;
}

/** One webhook call. */
export interface Delivery {
  readonly uid: string;
  readonly url: string;
  readonly body: string;
  readonly signature: string;
  /** The receiver's status; null before it answers, or if it is unreachable. */
  status: number | null;
}

/** Timeout of a call. [U] */
const TIMEOUT_MS = 10_000;
const SECRET_BYTES = 32;
const MAX_KEPT = 10_000;

/** The one webhook of the account. Survives a restart. */
export class Webhook {
  readonly deliveries: Delivery[] = [];
  readonly #file: string;
  readonly #faults: Faults;
  readonly #clock: Clock;
  #setting: WebhookSetting | undefined;

  constructor(file: string, faults: Faults, clock: Clock) {
    this.#file = file;
    this.#faults = faults;
    this.#clock = clock;
    this.#setting = (readJson(file) as WebhookSetting | null | undefined) ?? undefined;
  }

  get setting(): WebhookSetting | undefined {
    return this.#setting;
  }

  /** Changing the URL changes the secret [C]; setting the same one again keeps it [U]. */
  set(notificationUrl: string): WebhookSetting {
    const secret =
      this.#setting?.notificationUrl === notificationUrl
        ? this.#setting.secret
        : randomBytes(SECRET_BYTES).toString("hex");
    this.#setting = { notificationUrl, secret, modified: new Date(this.#clock.now()).toISOString() };
    writeJson(this.#file, this.#setting);
    return this.#setting;
  }

  remove(): void {
    this.#setting = undefined;
    writeJson(this.#file, null);
  }

  /** Notifies the webhook of a processed video. Retries are undocumented; there are none here. [U] */
  async notify(uid: string, video: unknown): Promise<void> {
    if (!this.#setting) return;
    const fault = this.#faults.take("webhook");
    if (fault?.kind === "lose") return;
    const { notificationUrl, secret } = this.#setting;
    const body = JSON.stringify(video);
    await this.#clock.sleep(fault?.milliseconds ?? 0);
    await this.#deliver(uid, notificationUrl, secret, body);
    if (fault?.kind === "repeat") await this.#deliver(uid, notificationUrl, secret, body);
  }

  /** `Webhook-Signature`: HMAC-SHA256 over the time, a dot and the raw body. [C] */
  async #deliver(uid: string, url: string, secret: string, body: string): Promise<void> {
    const time = Math.floor(this.#clock.now() / 1000);
    const signature = `time=${time},sig1=${createHmac("sha256", secret).update(`${time}.${body}`).digest("hex")}`;
    const delivery: Delivery = { uid, url, body, signature, status: null };
    this.deliveries.push(delivery);
    if (this.deliveries.length > MAX_KEPT) this.deliveries.shift();
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Webhook-Signature": signature },
        body,
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(TIMEOUT_MS), this.#clock.stopped]),
      });
      delivery.status = answer.status;
      await answer.body?.cancel();
    } catch {
      // The receiver is down: `status` stays null.
    }
  }
}
