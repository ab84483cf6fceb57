import { inject } from "vitest";

/** The URL of a server that all test files share, started when nobody asked before. */
export async function sharedService(path: string): Promise<string> {
  const response = await fetch(`${inject("serviceBroker")}/${path}`);
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return text;
}

let made = 0;

/** A name that no other test file of this or another run uses. */
export function uniqueName(prefix: string): string {
  made += 1;
  return `${prefix}_${process.pid}_${Date.now().toString(36)}_${made}`;
}
