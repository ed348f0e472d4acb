import { settleDue } from "../domain/upload.ts";
import type { UploadState } from "../domain/upload.ts";
import type { Budget, Registry, StreamApi, Upstream } from "./ports.ts";

/** A live upload whose time is over. Times are seconds since the epoch. */
export interface DueUpload {
  readonly id: string;
  readonly state: UploadState;
  readonly uid: string | null;
  readonly creator: string | null;
  readonly upstream: string;
  readonly created: number;
}

export interface SettleDuePorts<Row extends DueUpload> {
  readonly registry: Pick<Registry, "upstream">;
  readonly stream: StreamApi;
  readonly budget: Budget;
  due(): readonly Row[];
  settle(row: Row, change: { state?: UploadState; uid?: string; seconds?: number; due?: number }): void;
  /** Seconds since the epoch. */
  now(): number;
  /** Whose budget share the calls count for. */
  readonly tenant: string;
}

/** A video that is being processed, or a Stream that does not answer, is asked about again after so long. */
const ASK_AGAIN_SECONDS = 60;

/**
 * Asks Stream about uploads whose URL should be dead, and settles each by what it says: Stream itself tells nobody about
 * uploads that were abandoned, nor about creations whose answer was lost. Background work: it takes what the tenants leave
 * of the budget.
 *
 * @returns when to go on, where the budget has no more calls now
 */
export async function settleDueUploads<Row extends DueUpload>(ports: SettleDuePorts<Row>): Promise<number | undefined> {
  for (const row of ports.due()) {
    const upstream = await ports.registry.upstream(row.upstream);
    if (!upstream.ok || !upstream.value) {
      ports.settle(row, { due: ports.now() + ASK_AGAIN_SECONDS });
      continue;
    }
    const waitSeconds = await settleOne(ports, row, upstream.value);
    if (waitSeconds !== undefined) return ports.now() + waitSeconds;
  }
  return undefined;
}

/** Seconds to wait, where the budget refuses. */
async function settleOne<Row extends DueUpload>(
  ports: SettleDuePorts<Row>,
  row: Row,
  upstream: Upstream,
): Promise<number | undefined> {
  const asking = await ports.budget.acquire(upstream, ports.tenant, "background");
  if (!asking.granted) return asking.retryAfterSeconds;
  const report =
    row.uid === null
      ? await ports.stream.findVideo(upstream, {
          uploadId: row.id,
          askedAt: row.created,
          ...(row.creator !== null && { creator: row.creator }),
        })
      : await ports.stream.video(upstream, row.uid);
  const settlement = report ? settleDue(report) : { kind: "wait" as const };

  switch (settlement.kind) {
    case "settle": {
      const { state, uid } = settlement;
      const seconds = settlement.state === "ready" ? { seconds: settlement.seconds } : {};
      ports.settle(row, { state, ...(uid !== undefined && { uid }), ...seconds });
      return undefined;
    }
    case "delete": {
      const deleting = await ports.budget.acquire(upstream, ports.tenant, "background");
      if (!deleting.granted) return deleting.retryAfterSeconds;
      const gone = await ports.stream.deleteVideo(upstream, settlement.uid);
      ports.settle(row, gone ? { state: "expired", uid: settlement.uid } : { due: ports.now() + ASK_AGAIN_SECONDS });
      return undefined;
    }
    case "wait":
      ports.settle(row, { due: ports.now() + ASK_AGAIN_SECONDS });
      return undefined;
    default:
      return settlement satisfies never;
  }
}
