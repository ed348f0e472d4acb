import type { IncomingMessage } from "node:http";
import type { Fault } from "./faults.ts";
import { type Answer, json, readBytes } from "./http.ts";
import type { LocalStream } from "./local-stream.ts";

/** What tests in the same process can call, tests in another process can call over HTTP. */
export type Control = Omit<LocalStream, "close" | "settled">;

/**
 * Routes under `/_control/`, all JSON:
 *
 * - `GET info`: URLs, account and credentials
 * - `GET requests`, `GET creations`, `GET videos`, `GET deliveries`; `DELETE requests` clears them
 * - `GET faults`, `POST faults` (a `Fault`, or a list of them), `DELETE faults`
 * - `POST expire` (`{uid}`), `POST advance` (`{milliseconds}`), `POST reset`
 *
 * They are neither recorded nor counted against the API limit.
 */
export async function answerControl(control: Control, request: IncomingMessage, { pathname }: URL): Promise<Answer> {
  try {
    const text = (await readBytes(request)).toString("utf8");
    const input = (text === "" ? {} : JSON.parse(text)) as Readonly<Record<string, unknown>>;
    const operation = `${request.method} ${pathname.slice("/_control/".length)}`;
    const result = operate(control, operation, input);
    return result === undefined ? json(404, { error: `no such operation: ${operation}` }) : json(200, result);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return json(400, { error: error.message });
    throw error;
  }
}

function operate(control: Control, operation: string, input: Readonly<Record<string, unknown>>): unknown {
  switch (operation) {
    case "GET info": {
      const { url, apiBase, uploadHost, accountId, token, email, globalKey } = control;
      return { url, apiBase, uploadHost, accountId, token, email, globalKey };
    }
    case "GET requests":
      return control.requests();
    case "DELETE requests":
      control.clearRequests();
      return {};
    case "GET creations":
      return control.creations();
    case "GET videos":
      return control.videos();
    case "GET deliveries":
      return control.deliveries();
    case "GET faults":
      return control.faults();
    case "POST faults":
      for (const fault of Array.isArray(input) ? input : [input]) control.addFault(fault as Fault);
      return control.faults();
    case "DELETE faults":
      control.clearFaults();
      return {};
    case "POST expire":
      control.expire(String(input["uid"]));
      return {};
    case "POST advance":
      control.advance(Number(input["milliseconds"]));
      return {};
    case "POST reset":
      control.reset();
      return {};
    default:
      return undefined;
  }
}
