import * as v from "valibot";
import type { Access } from "../../src/core/auth/authenticate.ts";
import { SCOPES } from "../../src/core/auth/rules/scopes.ts";
import type { PolicyRequest } from "../../src/core/policy/rules/policy-decision.ts";
import type { PolicyDocument } from "../../src/core/policy/rules/policy.ts";
import { NO_VIDEO } from "../../src/core/quota/rules/edit-reservation.ts";
import type { ReservationRequest } from "../../src/core/quota/rules/reservation.ts";
import { ok } from "../../src/core/shared/result.ts";
import type { Tenant } from "../../src/core/shared/tenant.ts";
import { USUAL_MAXIMA } from "../../src/core/stream/rules/defaults.ts";
import type { Upstream } from "../../src/core/stream/rules/upstream.ts";
import { type CreateUploadPorts, type CreationBody, createUpload } from "../../src/core/uploads/create-upload.ts";
import { type EditUploadPorts, editUpload } from "../../src/core/uploads/edit-upload.ts";
import { clipSchema } from "../../src/core/uploads/rules/clip.ts";
import { copySchema } from "../../src/core/uploads/rules/copy.ts";
import { directUploadSchema } from "../../src/core/uploads/rules/direct-upload.ts";
import { encodeUploadMetadata } from "../../src/core/uploads/rules/upload-metadata.ts";
import type { UploadRecord } from "../../src/core/uploads/rules/upload-record.ts";
import { readVideoEdit, videoEditSchema } from "../../src/core/uploads/rules/video-edit.ts";
import { KEY, keyRecord, portsOf, tenant } from "./auth-fixtures.ts";
import { NOON } from "./policy-fixtures.ts";
import { type CLIP_ORIGINS, type Fate, StreamModel } from "./stream-model.ts";

const upstream = { id: "default", callsPerWindow: 1_200, ...USUAL_MAXIMA } as Upstream;
const key = { ...keyRecord, scopes: new Set(SCOPES) };

type Metadata = PolicyRequest["metadata"];

/** One step of a sequence; `nth` chooses among the uploads so far. */
export type Step = {
  readonly metadata: Metadata;
  readonly creator?: string;
  readonly length: number;
  readonly nth: number;
} & (
  | { readonly kind: "tus" | "direct" | "copy" }
  | { readonly kind: "clip"; readonly start: number; readonly end: number }
  /** It removes every fourth of its keys, by `null` or by what counts as absent. */
  | { readonly kind: "edit"; readonly removed: number; readonly clearsMeta: boolean }
  | { readonly kind: "process"; readonly share: number }
  | { readonly kind: "wait"; readonly seconds: number }
);

/** A JSON body with the options of this metadata. Null where the key is to be removed. */
function bodyOf(metadata: Metadata, isRemoved: (index: number) => boolean = () => false): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const meta: Record<string, string | null> = {};
  for (const [index, [name, text]] of [...metadata].entries()) {
    if (typeof text !== "string") continue;
    if (NUMBERS.has(name) && Number.isNaN(Number(text))) continue;
    const gone = isRemoved(index);
    if (name === "requiresignedurls") body["requireSignedURLs"] = gone ? (index % 2 === 0 ? false : null) : true;
    else if (name === "allowedorigins") body["allowedOrigins"] = gone ? (index % 2 === 0 ? [] : null) : text.split(",");
    else if (name === "thumbnailtimestamppct") body["thumbnailTimestampPct"] = gone ? null : Number(text);
    else if (name === "maxdurationseconds") body["maxDurationSeconds"] = gone ? null : Number(text);
    else if (name === "scheduleddeletion") body["scheduledDeletion"] = gone ? null : text;
    else if (name === "expiry") body["expiry"] = gone ? null : text;
    else if (name === "watermark") body["watermark"] = { uid: gone ? null : text };
    else Object.defineProperty(meta, name, { value: gone ? null : text, enumerable: true });
  }
  return { ...body, meta };
}

const NUMBERS: ReadonlySet<string> = new Set(["maxdurationseconds", "thumbnailtimestamppct"]);

/** An upload in the ledger, with the metadata that its creation or its last edit asked for. */
export type Row = UploadRecord & { readonly asked: Metadata };

/** The gateway's use cases over a model of Stream and of the ledger, for one tenant under one policy. */
export class SequenceWorld {
  now = NOON;
  readonly rows = new Map<string, Row>();
  readonly stream: StreamModel;
  readonly accepted = { creations: 0, copies: 0, clips: 0, edits: 0 };
  readonly #tenant: Tenant;
  readonly #ports: CreateUploadPorts & EditUploadPorts;
  #reserving: Step | undefined;

  constructor(document: PolicyDocument, clipOrigin: (typeof CLIP_ORIGINS)[number], nextFate: () => Fate) {
    this.stream = new StreamModel(clipOrigin, nextFate);
    this.#tenant = { ...tenant, policy: [document] };
    const auth = portsOf({ tenant: this.#tenant, key });
    const registry = { ...auth.registry, upstream: async () => ok(upstream) };
    const ledgers = {
      find: async (_: string, id: string) => ok(this.find(id)),
      reserve: async (_: string, request: ReservationRequest) => this.#reserve(request),
      attach: async (_: string, id: string, uid: string) => (this.#update(id, { uid, state: "issued" }), ok(undefined)),
      release: async (_: string, id: string) => void this.rows.delete(id),
      markUnknown: async (_: string, id: string) => this.#deleteTagged(id),
      cancelOrphaned: async (_: string, id: string) => this.#deleteTagged(id),
      beginEdit: async (_: string, { id }: { id: string }) => {
        const row = this.rows.get(id);
        return ok(row ? { kind: "begun", seconds: row.seconds } : { kind: "refused", problem: NO_VIDEO });
      },
      endEdit: async (_: string, id: string, end: { seconds?: number; expires?: number }) =>
        ok(
          this.#update(id, {
            ...(end.seconds && { seconds: end.seconds }),
            ...(end.expires && { expires: end.expires }),
          }),
        ),
    };
    this.#ports = {
      ...auth,
      registry: { ...registry, uncached: registry },
      now: () => this.now,
      stream: this.stream.api,
      ledgers,
      budget: { acquire: async () => ({ granted: true }), refund: async () => {}, block: async () => {} },
      refusals: { has: () => false, note: () => {} },
      newUploadId: () => `upload-${this.now}`,
      wait: async () => {},
      answerSeconds: 20,
      tags: { sign: async (tenant: string, id: string) => `${tenant}/${id}/mac`, verify: async () => true },
    } as unknown as CreateUploadPorts & EditUploadPorts;
  }

  find(idOrUid: string): Row | undefined {
    return this.rows.get(idOrUid) ?? [...this.rows.values()].find(({ uid }) => uid === idOrUid);
  }

  #reserve({ id, bytes, seconds, expires, source, clippedFrom }: ReservationRequest) {
    const { metadata } = this.#reserving as Step;
    const common = { deletionRequested: false, deletionPending: false, rounds: 0, upstream: "default" };
    const made = { ...(source && { source }), ...(clippedFrom !== undefined && { clippedFrom }) };
    this.rows.set(id, {
      id,
      bytes,
      seconds,
      expires,
      ...made,
      ...common,
      state: "reserved",
      created: this.now,
      asked: metadata,
    });
    return { kind: "reserved" };
  }

  #update(id: string, change: Partial<Row>): Row | undefined {
    const row = this.rows.get(id);
    if (row) this.rows.set(id, { ...row, ...change });
    return this.rows.get(id);
  }

  /** The ledger finds the video by its tag, or a clip by its parent, and deletes it. */
  #deleteTagged(id: string): void {
    this.rows.delete(id);
    const known = new Set([...this.rows.values()].map(({ uid }) => uid));
    for (const uid of this.stream.videos.keys()) if (!known.has(uid)) this.stream.videos.delete(uid);
  }

  async take(step: Step): Promise<void> {
    this.now++;
    this.stream.deleteScheduled(this.now);
    const row = [...this.rows.values()][step.nth % this.rows.size];
    if (step.kind === "wait") this.now += step.seconds;
    else if (step.kind === "edit") await this.#edit(step, row);
    else if (step.kind === "process") this.#process(step.share, row);
    else {
      if (step.kind === "clip") this.#process(1, row);
      await this.#create(step, row);
    }
    this.stream.deleteScheduled(this.now);
  }

  async #create(step: Exclude<Step, { kind: "edit" | "process" | "wait" }>, parent: Row | undefined): Promise<void> {
    const content = creationBody(step, parent);
    if (!content) return;
    const texts = [...step.metadata].filter((pair): pair is [string, string] => typeof pair[1] === "string");
    const headers: Record<string, string | undefined> = {
      authorization: `Bearer ${KEY}`,
      "tus-resumable": "1.0.0",
      "upload-length": String(step.length),
      "upload-metadata": encodeUploadMetadata(texts.filter(([name]) => name !== "grant")),
      "upload-creator": step.creator,
    };
    this.#reserving = step;
    const request = { tenant: "acme", header: (name: string) => headers[name], waitUntil: () => {}, ...content };
    const created = await createUpload(this.#ports, request, TRACE);
    if (!created.ok) return;
    this.accepted.creations++;
    if (step.kind === "copy") this.accepted.copies++;
    if (step.kind === "clip") this.accepted.clips++;
  }

  async #edit(step: Extract<Step, { kind: "edit" }>, row: Row | undefined): Promise<void> {
    if (!row) return;
    const isRemoved = (index: number) => (index + step.removed) % 4 === 0;
    const { expiry, watermark: _, ...body } = bodyOf(step.metadata, isRemoved);
    const meta = step.clearsMeta ? null : body["meta"];
    const whole = {
      ...body,
      meta,
      ...(expiry !== undefined && { uploadExpiry: expiry }),
      ...(step.creator && { creator: step.creator }),
    };
    const json = v.safeParse(videoEditSchema, whole);
    const edit = json.success ? readVideoEdit(json.output) : undefined;
    if (!edit?.ok) return;
    const caller = { tenant: "acme", kind: "api-key", credential: key.id, scopes: key.scopes, version: 5 } as const;
    const access: Access = { caller, tenant: this.#tenant };
    const before = JSON.stringify([...this.stream.videos]);
    const edited = await editUpload(this.#ports, access, row, edit.value, TRACE);
    if (edited === "stale" || !edited.ok) return;
    this.#update(row.id, { asked: new Map([...step.metadata].filter((_, index) => !isRemoved(index))) });
    if (JSON.stringify([...this.stream.videos]) !== before) this.accepted.edits++;
  }

  #process(share: number, row: Row | undefined): void {
    if (row?.uid === undefined || row.state !== "issued") return;
    const seconds = Math.max(1, Math.floor(row.seconds * (row.source === "clip" ? 1 : share)));
    this.#update(row.id, { state: "ready", seconds });
    this.stream.process(row.uid, seconds, row.bytes);
  }
}

/** @returns `undefined` if the client sends no such body; none for tus, which has only headers */
function creationBody(step: Step, parent: Row | undefined): { readonly body?: CreationBody } | undefined {
  const { kind, metadata } = step;
  const { expiry, ...body } = bodyOf(metadata);
  const read = <T>(schema: v.GenericSchema<unknown, T>, json: object, use: (json: T) => CreationBody) => {
    const parsed = v.safeParse(schema, json);
    return parsed.success ? { body: use(parsed.output) } : undefined;
  };
  switch (kind) {
    case "direct":
      return read(directUploadSchema, { ...body, ...(expiry !== undefined && { expiry }) }, (json) => ({ kind, json }));
    case "copy":
      return read(copySchema(false), { ...body, input: LINK, bytes: Math.max(1, step.length) }, (json) => ({
        kind,
        json,
      }));
    case "clip":
      return (
        parent &&
        read(clipSchema, { ...body, startTimeSeconds: step.start, endTimeSeconds: step.end }, (json) => ({
          kind,
          json,
          of: parent.uid ?? parent.id,
        }))
      );
    default:
      return {};
  }
}

const LINK = "https://bucket.example.com/cats.mp4?signature=5ca1ab1e";
const TRACE = { annotate: () => {}, measure: <T>(_: unknown, work: Promise<T>) => work };
