import { describe, expect, it } from "vitest";
import { type Viewer, canAccess, restrictToVisible } from "../../../src/core/auth/rules/upload-visibility.ts";

const user1 = { namespace: "tenant", subject: "user-1" };
const other = { namespace: "auth0", subject: "user-1" };
const key: Viewer = { tenant: "acme", kind: "api-key", credential: "k1" };
const jwt: Viewer = { tenant: "acme", kind: "jwt", credential: "idp", person: user1 };
const foreign: Viewer = { ...jwt, person: other };
const grant: Viewer = { tenant: "acme", kind: "grant", credential: "jti-1", person: user1 };

describe("canAccess", () => {
  it.each<[Viewer, object, boolean]>([
    [key, { person: user1 }, true],
    [key, {}, true],
    [jwt, { person: { ...user1 } }, true],
    [jwt, { person: other }, false],
    [jwt, { person: { ...user1, subject: "user-2" } }, false],
    [jwt, { creator: "user-1" }, false],
    [jwt, { grant: "idp" }, false],
    [foreign, { person: other }, true],
    [foreign, { person: user1 }, false],
    [grant, { grant: "jti-1" }, true],
    [grant, { grant: "jti-1", person: other }, true],
    [grant, { grant: "jti-2", person: user1 }, false],
    [grant, { person: user1 }, false],
    [grant, {}, false],
  ])("by %j to %j: %s", (viewer, upload, expected) => {
    expect(canAccess(viewer, upload)).toBe(expected);
  });
});

describe("restrictToVisible", () => {
  const query = (creator?: string) => ({ limit: 5, ...(creator !== undefined && { creator }) });

  it.each([
    [key, query(), query()],
    [key, query("user-2"), { ...query("user-2"), orLabel: true }],
    [jwt, query(), query("user-1")],
    [jwt, query("user-1"), query("user-1")],
    [jwt, query("user-2"), { ...query("user-1"), label: "user-2" }],
    [foreign, query(), query("user-1\u001fauth0")],
    [foreign, query("user-1"), query("user-1\u001fauth0")],
    [grant, query(), undefined],
    [grant, query("user-1"), undefined],
  ])("restricts for %j %j to %j", (viewer, query, expected) => {
    expect(restrictToVisible(viewer, query)).toEqual(expected);
  });
});
