import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "./clock.ts";
import type { Faults } from "./faults.ts";
import { readJson, writeJson } from "./json-file.ts";

/** What the API shows of the account's webhook. [C] */
export interface WebhookSetting {
  readonly notificationUrl: string;
  readonly secret: string;
  readonly modified: string;
}

/** An attempt to deliver an event. */
export interface Delivery {
  readonly uid: string;
  readonly url: string;
  readonly body: string;
  readonly signature: string;
  /** What the receiver answered; null while it has not, and where it could not be reached. */
  status: number | null;
}

/** A receiver that takes longer is given up. [U] */
const TIMEOUT_MS = 10_000;
const SECRET_BYTES = 32;
const MAX_REMEMBERED = 10_000;

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

  /** Tells of a video that has been processed. Whether a delivery that failed is repeated is not documented: not here. [U] */
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

  /** `Webhook-Signature`: HMAC-SHA256 over the time, a point and the raw body. [C] */
  async #deliver(uid: string, url: string, secret: string, body: string): Promise<void> {
    const time = Math.floor(this.#clock.now() / 1000);
    const signature = `time=${time},sig1=${createHmac("sha256", secret).update(`${time}.${body}`).digest("hex")}`;
    const delivery: Delivery = { uid, url, body, signature, status: null };
    this.deliveries.push(delivery);
    if (this.deliveries.length > MAX_REMEMBERED) this.deliveries.shift();
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
