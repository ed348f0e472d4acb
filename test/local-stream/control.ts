import type { IncomingMessage } from "node:http";
import type { Fault } from "./faults.ts";
import { type Answer, readText } from "./http.ts";
import type { LocalStream } from "./server.ts";

export type Control = Pick<
  LocalStream,
  "requests" | "creations" | "videos" | "addFault" | "expire" | "advance" | "reset"
>;

/**
 * What tests in another process do: `GET /_control/requests`, `…/creations`, `…/videos`; `POST …/faults` (a `Fault`),
 * `…/expire` (`{uid}`), `…/advance` (`{milliseconds}`), `…/reset`.
 */
export async function answerControl(control: Control, request: IncomingMessage, { pathname }: URL): Promise<Answer> {
  const input = async () => JSON.parse((await readText(request)) || "{}") as Record<string, unknown>;
  switch (`${request.method} ${pathname.slice("/_control/".length)}`) {
    case "GET requests":
      return answer(control.requests());
    case "GET creations":
      return answer(control.creations());
    case "GET videos":
      return answer(control.videos());
    case "POST faults":
      control.addFault((await input()) as unknown as Fault);
      return answer({});
    case "POST expire":
      control.expire(String((await input())["uid"]));
      return answer({});
    case "POST advance":
      control.advance(Number((await input())["milliseconds"]));
      return answer({});
    case "POST reset":
      control.reset();
      return answer({});
    default:
      return { status: 404 };
  }
}

function answer(result: unknown): Answer {
  return { status: 200, headers: { "Content-Type": "application/json" }, body: JSON.stringify(result) };
}
