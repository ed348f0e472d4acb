import type { DetailedError, HttpRequest, HttpResponse } from "tus-js-client";
import { type Gateway, type OwnedUpload, cancelAtGateway, headersFor } from "./gateway.ts";
import { type Remedy, delaySecondsOf, remedyFor } from "./retry.ts";
import { UploadError, uploadErrorOf } from "./upload-error.ts";

/** What tus-js-client is told during the upload of one file. */
export interface Session {
  /** `onBeforeRequest`. Never returns if the request is aborted in the meantime: it would be sent all the same. */
  before(request: HttpRequest): Promise<void>;
  /** `onAfterResponse`. Never returns if the request was aborted. */
  after(request: HttpRequest, response: HttpResponse): Promise<void>;
  /** `onShouldRetry` */
  failed(cause: Error | DetailedError, attempt: number): Failure;
  /** Cancels the upload at the gateway, if this page has created it. Waits for a creation that is on its way. */
  cancel(): Promise<boolean>;
}

/** Ends a flow of tus-js-client, whose promise nobody awaits. An error would fail a successor that is on its way. */
export const never = (): Promise<never> => new Promise(() => {});

export interface Failure {
  readonly error: UploadError;
  readonly remedy: Remedy;
  readonly seconds: number;
}

/**
 * For all uploads: tus-js-client reads the delay of an attempt right after `onShouldRetry`, which sets it. More entries than
 * attempts fit into the time to wait.
 */
export const RETRY_DELAYS_MS: number[] = Array(1000);

export function createSession<F extends { readonly size: number | null }>(
  gateway: Gateway<F>,
  file: F,
  key: string,
): Session {
  /** For the next creation. */
  let grant: Promise<string> | undefined;
  let sentGrant: string;
  let owned: OwnedUpload | undefined;
  /** Whether the upload host has refused the URL. */
  let isDead = false;
  /** The last creation that was sent: ends with its response, or without. */
  let creation: Promise<unknown> | undefined;
  const aborted = new WeakSet<HttpRequest>();
  let [failures, waitedSeconds] = [0, 0];

  async function getGrant(): Promise<string> {
    // To the gateway, an upload of another grant is another one: the dead one would keep its place in the limits.
    if (isDead) await session.cancel().catch(rethrowIfFinished);
    try {
      return await gateway.getGrant(file);
    } catch (cause) {
      grant = undefined;
      throw new UploadError("grant_unavailable", String(cause), { cause });
    }
  }

  const session: Session = {
    async before(request) {
      if (request.getMethod() !== "POST") return;
      if (file.size === 0) throw new UploadError("file_empty", "The file is empty.");
      // A creation is never aborted, since only its response says what there is to resume or to cancel.
      request.abort = async () => void aborted.add(request);
      sentGrant = await (grant ??= getGrant());
      if (aborted.has(request)) await never();
      // tus-js-client's own `headers` would go to the upload host as well.
      const headers = { ...headersFor(gateway, sentGrant), "Idempotency-Key": key };
      for (const name in headers) request.setHeader(name, headers[name as keyof typeof headers]);
      creation = new Promise((resolve) =>
        (request.getUnderlyingObject() as XMLHttpRequest).addEventListener("loadend", resolve),
      );
    },

    async after(request, response) {
      const [method, status] = [request.getMethod(), response.getStatus()];
      if (method === "POST") {
        const id = response.getHeader("Sluice-Upload-Id");
        if (id) owned = { id, grant: sentGrant };
      } else {
        isDead = remedyFor(method, { code: "", status }) === "new url";
        if (method === "PATCH" && status < 300) failures = waitedSeconds = 0;
      }
      if (aborted.has(request)) await never();
    },

    failed(cause, attempt) {
      const error = uploadErrorOf(cause);
      let remedy = remedyFor((cause as Partial<DetailedError>).originalRequest?.getMethod() ?? "", error);
      const seconds = delaySecondsOf(error, ++failures, remedy);
      waitedSeconds += seconds;
      if (waitedSeconds > gateway.maxWaitSeconds) remedy = "give up";
      if (remedy === "new grant") grant = undefined;
      RETRY_DELAYS_MS[attempt] = seconds * 1000;
      return { error, remedy, seconds };
    },

    async cancel() {
      await creation;
      if (!owned) return false;
      await cancelAtGateway(gateway, owned);
      return true;
    },
  };
  return session;
}

/** All bytes had arrived before the URL died: there is a video, and another upload would make a second one. */
function rethrowIfFinished(error: UploadError): void {
  if (error.code === "grant_used") throw error;
}
