import { bearer } from "./http.ts";

export const OPERATOR_TOKEN = "operator-token-of-the-tests";

/** Calls the operator API and returns the answer's body; throws unless the call succeeds. */
export type OperatorApi = (method: string, path: string, body?: unknown) => Promise<Record<string, string>>;

/** The operator API of the gateway at `url`. */
export function operatorApi(url: string): OperatorApi {
  return async (method, path, body) => {
    const answer = await fetch(`${url}/admin/v1${path}`, {
      method,
      headers: { ...bearer(OPERATOR_TOKEN), "Content-Type": "application/json" },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return (answer.status === 204 ? {} : await answer.json()) as Record<string, string>;
  };
}
