import { compareCounters } from "../support/counters.ts";
import { judge } from "./judge.ts";
import { type FuzzRequest, makeRequest } from "./requests.ts";
import { type Answer, send } from "./send.ts";
import { TARGETS } from "./targets.ts";
import type { World } from "./world.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly requests: number;
  readonly onProgress?: (done: number) => void;
}

export interface Finding {
  readonly request: FuzzRequest;
  readonly answer?: Answer;
  readonly faults: readonly string[];
}

export interface FuzzReport {
  readonly findings: readonly Finding[];
  /** Number of answers by status and code. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** What is wrong after the last request. */
  readonly aftermath: readonly string[];
  /** Routes that never answered with success. */
  readonly unopened: readonly string[];
}

const CONCURRENCY = 16;
const MAX_FINDINGS = 50;
/** Uploads that later requests name. */
const MAX_UPLOADS = 200;
const MAX_KEYS = 5;

/** Sends seeded requests and judges each answer. */
export async function fuzz(world: World, { seed, requests, onProgress }: FuzzOptions): Promise<FuzzReport> {
  const findings: Finding[] = [];
  const outcomes = new Map<string, number>();
  const opened = new Set<string>();
  let next = 0;
  const client = async () => {
    while (next < requests && findings.length < MAX_FINDINGS) {
      const index = next++;
      const request = makeRequest(world, seed, index);
      const finding = await tryOne(world, request, (outcome, isSuccess) => {
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (isSuccess && request.method === request.target.method) opened.add(nameOf(request));
      });
      if (finding) findings.push(finding);
      if ((index + 1) % 1_000 === 0) onProgress?.(index + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, client));
  const unopened = TARGETS.map(({ method, path }) => `${method} ${path}`).filter((name) => !opened.has(name));
  return { findings, outcomes, aftermath: await checkAftermath(world), unopened };
}

/** The gateway is alive, its counters equal its rows, and its log has no bug and no secret. */
async function checkAftermath({ gateway, tenantKeys, secrets }: World): Promise<string[]> {
  const health = await fetch(`${gateway.url}/healthz`);
  const inLog = gateway.log.filter(
    (line) => line.includes("internal_error") || secrets.some((secret) => line.includes(secret)),
  );
  return [
    ...(health.ok ? [] : [`GET /healthz: ${health.status}`]),
    ...inLog.slice(0, MAX_FINDINGS),
    ...(await compareCounters(gateway, tenantKeys)),
  ];
}

const nameOf = ({ target }: FuzzRequest) => `${target.method} ${target.path}`;

async function tryOne(
  world: World,
  request: FuzzRequest,
  count: (outcome: string, isSuccess: boolean) => void,
): Promise<Finding | undefined> {
  let answer: Answer;
  try {
    answer = await send(world.gateway.url, request);
  } catch (error) {
    return { request, faults: [`No answer: ${String(error)}`] };
  }
  const { code, faults } = judge(world, request, answer);
  count(`${answer.status}${code === undefined ? "" : ` ${code}`}`, answer.status < 300);
  remember(world, request, answer);
  return faults.length > 0 ? { request, answer, faults } : undefined;
}

/** Later requests name what this one has made. */
function remember(
  { uploads, keys, signingKeys }: World,
  { credential, path }: FuzzRequest,
  { status, headers, body }: Answer,
): void {
  if (status !== 200 && status !== 201) return;
  const [id, uid] = [headers["sluice-upload-id"], headers["stream-media-id"]];
  if (typeof id === "string" && typeof uid === "string" && credential?.tenant !== undefined) {
    uploads.push({ tenant: credential.tenant, id, uid });
    if (uploads.length > MAX_UPLOADS) uploads.shift();
  }
  const upstream = /^\/admin\/v1\/upstreams\/([^/]+)\/signing-keys$/.exec(path)?.[1];
  if (upstream !== undefined && status === 201) {
    signingKeys.push({ upstream, id: (JSON.parse(body.toString("utf8")) as { id: string }).id });
    if (signingKeys.length > MAX_KEYS) signingKeys.shift();
  }
  const tenant = /^\/admin\/v1\/tenants\/([^/]+)\/keys/.exec(path)?.[1];
  const made = (tenant === undefined || status !== 201 ? {} : JSON.parse(body.toString("utf8"))) as {
    key?: string;
    id?: string;
  };
  if (tenant === undefined || made.key === undefined || made.id === undefined) return;
  keys.push({ tenant, id: made.id });
  if (keys.length > MAX_KEYS) keys.shift();
}

/** A finding, so that the request can be repeated by hand. */
export function describe({ request, answer, faults }: Finding): string {
  const { index, method, path, headers, body } = request;
  const cut = (text: string) => (text.length > 1_000 ? `${text.slice(0, 1_000)}… (${text.length})` : text);
  return [
    `#${index}: ${faults.join(" | ")}`,
    `  ${method} ${cut(path)}`,
    ...headers.map(([name, value]) => `  ${name}: ${cut(value)}`),
    ...(body ? [`  ${cut(JSON.stringify(body.toString("latin1")))}`] : []),
    ...(answer ? [`  → ${answer.status} ${JSON.stringify(answer.headers)} ${cut(answer.body.toString("utf8"))}`] : []),
  ].join("\n");
}
