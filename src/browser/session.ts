import type { DetailedError, HttpRequest, HttpResponse } from "tus-js-client";
import { type Gateway, type OwnedUpload, cancelAtGateway, headersFor } from "./gateway.ts";
import { type Remedy, delaySecondsOf, remedyFor } from "./retry.ts";
import { CANCELLED, UploadError, uploadErrorOf } from "./upload-error.ts";

/** What tus-js-client is told during the upload of one file. */
export interface Session {
  /** `onBeforeRequest` */
  before(request: HttpRequest): Promise<void>;
  /** `onAfterResponse` */
  after(request: HttpRequest, response: HttpResponse): void;
  /** `onShouldRetry` */
  failed(cause: Error | DetailedError, attempt: number): Failure;
  /** Cancels the upload at the gateway, if this page has created it. */
  cancel(): Promise<boolean>;
}

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
  let [failures, waitedSeconds] = [0, 0];

  async function getGrant(): Promise<string> {
    try {
      // To the gateway, an upload of another grant is another one: the dead one would keep its place in the limits.
      if (isDead) await session.cancel().catch(rethrowIfFinished);
      return await gateway.getGrant(file);
    } catch (cause) {
      grant = undefined;
      throw cause instanceof UploadError ? cause : new UploadError("grant_unavailable", String(cause), { cause });
    }
  }

  const session: Session = {
    async before(request) {
      if (request.getMethod() !== "POST") return;
      if (file.size === 0) throw new UploadError("file_empty", "The file is empty.");
      let isAborted = false;
      const abort = request.abort.bind(request);
      request.abort = () => {
        isAborted = true;
        return abort();
      };
      sentGrant = await (grant ??= getGrant());
      // There was no request to abort yet, so this one would be sent.
      if (isAborted) throw CANCELLED;
      // tus-js-client's own `headers` would go to the upload host as well.
      const headers = { ...headersFor(gateway, sentGrant), "Idempotency-Key": key };
      for (const name in headers) request.setHeader(name, headers[name as keyof typeof headers]);
    },

    after(request, response) {
      const [method, status] = [request.getMethod(), response.getStatus()];
      if (method === "POST") {
        const id = response.getHeader("Sluice-Upload-Id");
        if (id) owned = { id, grant: sentGrant };
      } else {
        isDead = remedyFor(method, { code: "", status }) === "new url";
        if (method === "PATCH" && status < 300) failures = waitedSeconds = 0;
      }
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
