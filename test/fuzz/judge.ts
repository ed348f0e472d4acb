import { PROBLEMS, type ProblemCode, titleOf } from "../../src/core/shared/problem.ts";
import type { FuzzRequest } from "./requests.ts";
import type { Answer } from "./send.ts";
import { STRICT_ORIGIN, type World } from "./world.ts";

/** What is wrong with an answer. */

/** The only codes of a 5xx: a part of Cloudflare's API that is not offered, and trouble outside the gateway, such as an upstream that the fuzz made up. */
const EXPECTED_5XX: ReadonlySet<ProblemCode> = new Set([
  "not_offered",
  "stream_credential_refused",
  "stream_unreachable",
  "stream_error",
  "stream_bad_answer",
  "stream_unavailable",
  "stream_timeout",
  "jwks_unavailable",
  "ledger_unavailable",
  "registry_busy",
  "registry_unavailable",
  "tenant_changing",
  "queue_unavailable",
  "upstream_unknown",
]);

/** Answers may quote what was sent, but not at length. */
const MAX_DETAIL_CHARACTERS = 1_001;
/** The fuzz does not change these tenants, so their origins are known. */
const ANY_ORIGIN: ReadonlySet<string> = new Set(["plain", "other", "sleepy"]);

interface ProblemDocument {
  readonly code?: unknown;
  readonly status?: unknown;
  readonly title?: unknown;
  readonly detail?: unknown;
  readonly requestId?: unknown;
  readonly success?: unknown;
  readonly errors?: unknown;
}

/** @returns the code of a refusal, and what is wrong */
export function judge(world: World, request: FuzzRequest, answer: Answer): { code?: string; faults: string[] } {
  const faults: string[] = [];
  const text = answer.body.toString("utf8");
  const isRefusal = answer.status >= 400;
  const isHead = methodsOf(request).includes("HEAD");
  // The runtime's own answer to a request that it does not pass on to the Worker. To HEAD, it has only its type.
  const isUnparsed = isHead ? answer.headers["content-type"] === "text/plain" : text === "invalid URI";
  if (answer.status === 400 && isUnparsed) return { faults };

  const code = isRefusal && !isHead ? checkProblem(answer, text, faults) : undefined;
  const isNotOffered = isHead && answer.status === PROBLEMS.not_offered.status;
  if (answer.status >= 500 && !isNotOffered && !EXPECTED_5XX.has(code as ProblemCode))
    faults.push(`${answer.status} ${code ?? text.slice(0, 500)}`);

  const tenant = tenantOf(world, request);
  if (tenant !== undefined) checkCors(request, answer, tenant, faults);
  if (answer.status < 300) checkAccess(request, tenant, faults);

  const whole = `${JSON.stringify(answer.headers)}${text}`;
  for (const [index, secret] of world.secrets.entries())
    if (whole.includes(secret)) faults.push(`The answer has secret ${index}.`);
  if (answer.headers.location !== undefined && answer.status !== 201) faults.push(`Location with ${answer.status}.`);
  return { ...(code !== undefined && { code }), faults };
}

function checkProblem({ status, headers }: Answer, text: string, faults: string[]): string | undefined {
  if (headers["content-type"] !== "application/problem+json") faults.push(`Content-Type ${headers["content-type"]}`);
  let problem: ProblemDocument;
  try {
    problem = JSON.parse(text) as ProblemDocument;
  } catch {
    faults.push(`The body is not JSON: ${JSON.stringify(text.slice(0, 500))}`);
    return undefined;
  }
  const { code, detail, title } = problem;
  const known = PROBLEMS[code as ProblemCode] as (typeof PROBLEMS)[ProblemCode] | undefined;
  if (typeof code !== "string" || !known) faults.push(`code ${JSON.stringify(code)}`);
  else if (known.status !== status || problem.status !== status || title !== titleOf(code))
    faults.push(`${code} with ${status}`);
  if (typeof detail !== "string" || detail === "" || detail.length > MAX_DETAIL_CHARACTERS)
    faults.push(`detail ${JSON.stringify(detail)}`);
  if (problem.requestId !== headers["x-request-id"]) faults.push(`requestId ${JSON.stringify(problem.requestId)}`);
  if (problem.success !== false || !Array.isArray(problem.errors)) faults.push("No envelope of Cloudflare's API.");
  return typeof code === "string" ? code : undefined;
}

/** Every answer on a tenant's path can be read by the pages that the tenant allows, and by no others. */
function checkCors(request: FuzzRequest, { status, headers }: Answer, tenant: string, faults: string[]): void {
  if (!headers.vary?.includes("Origin")) faults.push("No Vary: Origin.");
  const origins = request.headers.filter(([name]) => name.toLowerCase() === "origin").map(([, value]) => value);
  const origin = origins.length > 0 ? origins.join(", ") : undefined;
  // No browser sends these.
  if (origins.length > 1 || origin === "" || /[^\x20-\x7e]/.test(origin ?? "")) return;
  const allowed = headers["access-control-allow-origin"];
  const isOpen = ANY_ORIGIN.has(tenant) || (tenant === "strict" && origin === STRICT_ORIGIN);
  if (origin === undefined && allowed !== undefined) faults.push("Access-Control-Allow-Origin without Origin.");
  if (origin !== undefined && isOpen && allowed !== origin)
    faults.push(`Origin ${origin}, allowed ${allowed}, ${status}.`);
  if (origin !== undefined && tenant === "strict" && !isOpen && allowed !== undefined)
    faults.push(`${allowed} is allowed.`);
}

/** Only the tenant's own credential, and the operator's, opens anything but preflights and public documents. */
function checkAccess(request: FuzzRequest, tenant: string | undefined, faults: string[]): void {
  const { credential, target } = request;
  if (methodsOf(request).includes("OPTIONS")) return;
  if (tenant !== undefined && credential?.tenant !== tenant) faults.push(`${credential?.name} opened ${tenant}.`);
  if (target.path.startsWith("/admin/") && tenant === undefined && !credential?.isOperator)
    faults.push(`${credential?.name} opened the operator's API.`);
}

/** Of the request, and that which it may ask for instead. */
function methodsOf({ method, headers }: FuzzRequest): string[] {
  const override = headers
    .filter(([name]) => name.toLowerCase() === "x-http-method-override")
    .map(([, value]) => value);
  return [method, ...override];
}

/** The tenant whose path the server sees, or undefined if it is no tenant's path. */
function tenantOf({ gateway }: World, { path }: FuzzRequest): string | undefined {
  const url = new URL(gateway.url + Buffer.from(path, "latin1").toString("utf8"));
  const segment = /^\/(?:v1|client\/v4\/accounts)\/([^/]+)/.exec(url.pathname)?.[1];
  try {
    return segment === undefined ? undefined : decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
