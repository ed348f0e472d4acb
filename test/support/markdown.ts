/** A page of the documentation, by its path in the repository. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

/** A fenced code block: ` ```json policy ` has the language `json` and the label `policy`. */
export interface Fence {
  readonly page: string;
  readonly language: string;
  readonly label: string;
  readonly text: string;
}

/** A fence may be indented, in a list. */
const FENCE = /^( *)```(\w+)(?: ([^\n]+))?\n([\s\S]*?)^\1```$/gm;

export function fencesOf({ path, text }: Page): Fence[] {
  return [...text.matchAll(FENCE)].map(([, , language = "", label = "", body = ""]) => ({
    page: path,
    language,
    label,
    text: body,
  }));
}

/** The text without its fenced code. */
export function proseOf({ text }: Page): string {
  return text.replace(FENCE, "");
}

/** The rows of the table whose header has these columns, cell by cell; of several such tables, all rows. */
export function tableRows(page: Page, ...columns: readonly string[]): string[][] {
  const rows: string[][] = [];
  let isInside = false;
  for (const line of page.text.split("\n")) {
    const cells = line.startsWith("|")
      ? line
          .split(/(?<!\\)\|/)
          .slice(1, -1)
          .map((cell) => cell.trim())
      : [];
    if (cells.length === 0) isInside = false;
    else if (columns.length === cells.length && columns.every((column, index) => cells[index] === column))
      isInside = true;
    else if (isInside && !/^-+$/.test(cells[0] ?? "")) rows.push(cells);
  }
  return rows;
}

/** `` `text` `` → `text`. */
export function code(cell: string | undefined): string {
  return /`([^`]+)`/.exec(cell ?? "")?.[1] ?? "";
}

/** Anchors as GitHub makes them from headings. */
export function anchorsOf(page: Page): Set<string> {
  const headings = [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-"),
    ),
  );
}
