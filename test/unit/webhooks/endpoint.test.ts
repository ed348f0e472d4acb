import { describe, expect, it } from "vitest";
import {
  type Endpoint,
  type EndpointSecret,
  MAX_SECRETS,
  REPLACED_SECRET_LIFETIME_MS,
  isRecipient,
  isSubscribed,
  replaceSecret,
  secretsAt,
} from "../../../src/core/webhooks/rules/endpoint.ts";
import { webhookEvent } from "../../support/event-fixtures.ts";

describe("replaceSecret", () => {
  const texts = (secrets: readonly EndpointSecret[]) => secrets.map(({ secret }) => secret);
  const once = replaceSecret([{ secret: "a" }], "b", 1_000);

  it("puts the new secret first and keeps the old one valid for a day", () => {
    expect(texts(secretsAt(once, 1_000))).toEqual(["b", "a"]);
    expect(texts(secretsAt(once, 1_000 + REPLACED_SECRET_LIFETIME_MS - 1))).toEqual(["b", "a"]);
    expect(texts(secretsAt(once, 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["b"]);
  });

  it("does not extend the lifetime of a secret that was replaced before", () => {
    const twice = replaceSecret(once, "c", 2_000);
    expect(texts(secretsAt(twice, 1_000 + REPLACED_SECRET_LIFETIME_MS - 1))).toEqual(["c", "b", "a"]);
    expect(texts(secretsAt(twice, 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["c", "b"]);
  });

  it("drops expired secrets, and the oldest above the maximum", () => {
    expect(texts(replaceSecret(once, "c", 1_000 + REPLACED_SECRET_LIFETIME_MS))).toEqual(["c", "b"]);
    const many = ["b", "c", "d", "e"].reduce((secrets, fresh) => replaceSecret(secrets, fresh, 5), [{ secret: "a" }]);
    expect(many).toHaveLength(MAX_SECRETS);
    expect(texts(many)).toEqual(["e", "d", "c"]);
  });
});

const endpoint = (id: string, more: Partial<Endpoint> = {}) =>
  ({
    id,
    tenant: "acme",
    url: "https://hooks.acme.com/",
    secrets: ["whsec_AAAA"],
    disabled: false,
    created: 1_000,
    slow: false,
    ...more,
  }) as Endpoint;

describe("isRecipient", () => {
  const event = webhookEvent();

  it("accepts every subscribed endpoint for a new event", () => {
    expect(isRecipient(endpoint("main"), { event })).toBe(true);
    expect(isRecipient(endpoint("off", { disabled: true }), { event })).toBe(false);
  });

  it("accepts for an event that was sent before only endpoints that existed then and were never tried", () => {
    const sent = { event, created: 1_000, attempted: ["tried"] };
    expect(isRecipient(endpoint("main"), sent)).toBe(true);
    expect(isRecipient(endpoint("tried"), sent)).toBe(false);
    expect(isRecipient(endpoint("younger", { created: 1_001 }), sent)).toBe(false);
    expect(isRecipient(endpoint("off", { disabled: true }), sent)).toBe(false);
    expect(isRecipient(endpoint("failed", { events: new Set(["upload.failed"]) }), sent)).toBe(false);
  });
});

describe("isSubscribed", () => {
  it("accepts enabled endpoints without a list of events or with this type in it", () => {
    const endpoints = [
      endpoint("all"),
      endpoint("ready", { events: new Set(["upload.ready"]) }),
      endpoint("failed", { events: new Set(["upload.failed"]) }),
      endpoint("off", { disabled: true }),
    ];
    const event = webhookEvent();
    expect(event.body.type).toBe("upload.ready");
    const ids = endpoints.filter((endpoint) => isSubscribed(endpoint, event)).map(({ id }) => id);
    expect(ids).toEqual(["all", "ready"]);
  });
});
