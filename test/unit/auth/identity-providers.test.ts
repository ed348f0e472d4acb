import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { issuerSchema } from "../../../src/core/auth/rules/issuer-document.ts";
import { issuerWarnings } from "../../../src/core/auth/rules/issuer-warnings.ts";
import { TOKEN_STEPS } from "../../../src/core/auth/rules/token-step.ts";
import { readPage } from "../../support/docs-pages.ts";
import { code, tableRows } from "../../support/markdown.ts";
import { DOCUMENTS, TOKENS, documentOf } from "../../support/provider-tokens.ts";

const schema = issuerSchema(false);

describe("docs/identity-providers.md", () => {
  it("has a document for each token, and a token for each document but the one for many customers", () => {
    expect(Object.keys(TOKENS).length).toBeGreaterThanOrEqual(12);
    const needed = new Set(Object.keys(TOKENS).map(documentOf));
    expect([...needed, "auth0-many"].toSorted()).toEqual(Object.keys(DOCUMENTS).toSorted());
  });

  it.each(Object.entries(DOCUMENTS))("has a document of %s that is accepted", (id, document) => {
    const parsed = v.safeParse(schema, document);
    expect(parsed.issues).toBeUndefined();
    if (!parsed.success) return;
    const warnings = issuerWarnings({ id, ...parsed.output } as never, []);
    expect(warnings.map(({ code }) => code)).toEqual(id === "workos" ? ["any_audience"] : []);
  });

  it("lists every step of a token, in their order", () => {
    const page = readPage("docs/identity-providers.md");
    const rows = tableRows(page, "step", "what must hold", "what usually is wrong");
    expect(rows.map(([step]) => code(step))).toEqual(TOKEN_STEPS);
  });
});
