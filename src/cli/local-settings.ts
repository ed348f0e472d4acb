import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Settings that a local gateway keeps between runs, besides its database. */
export interface LocalSettings {
  readonly OPERATOR_TOKEN: string;
  readonly GRANT_KEYS: string;
  readonly MASTER_KEYS: string;
  /** API key of the tenant `demo`, after the first start. */
  demoKey?: string;
}

const FILE = "settings.json";

/** Reads the settings in `folder`; generates random secrets the first time. */
export async function loadSettings(folder: string): Promise<LocalSettings> {
  try {
    return JSON.parse(await readFile(join(folder, FILE), "utf8")) as LocalSettings;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const settings = {
    OPERATOR_TOKEN: randomBytes(24).toString("base64url"),
    GRANT_KEYS: `local:${randomBytes(32).toString("base64")}`,
    MASTER_KEYS: `local:${randomBytes(32).toString("base64")}`,
  };
  await saveSettings(folder, settings);
  return settings;
}

export async function saveSettings(folder: string, settings: LocalSettings): Promise<void> {
  await mkdir(folder, { recursive: true });
  // 0600: the settings are secrets, if only of this machine.
  await writeFile(join(folder, FILE), `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
}
