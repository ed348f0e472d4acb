import { type Answer, fail, succeed } from "../http.ts";
import type { Stream } from "../stream.ts";
import { demand } from "../values.ts";
import { type ApiCall, type Route, readJsonBody } from "./route.ts";

export const WEBHOOK: readonly Route[] = [
  { method: "PUT", path: "/webhook", answer: setWebhook },
  {
    method: "GET",
    path: "/webhook",
    answer: ({ webhook }) => (webhook.setting ? succeed(webhook.setting) : fail(404, 10003, "no webhook")),
  },
  { method: "DELETE", path: "/webhook", answer: removeWebhook },
];

function setWebhook({ webhook }: Stream, call: ApiCall): Answer {
  const json = readJsonBody(call) as { notificationUrl?: unknown; notification_url?: unknown } | null;
  const url = json?.notificationUrl ?? json?.notification_url; // either name [C]
  demand(typeof url === "string" && /^https?:\/\//.test(url) && URL.canParse(url), "notificationUrl must be a URL");
  return succeed(webhook.set(url));
}

function removeWebhook({ webhook }: Stream): Answer {
  webhook.remove();
  return succeed("");
}
