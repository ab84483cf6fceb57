import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Another process that has started a server. */
export interface Orphanage {
  readonly url: string;
  readonly dataDir: string;
  /** Kills that process, not the server, with SIGKILL. */
  killParent(): Promise<void>;
}

/** Starts a process that starts a server of this kind. */
export async function startElsewhere(
  kind: "postgres" | "redis",
  dataDir?: string,
): Promise<Orphanage> {
  const script = fileURLToPath(new URL("orphan-fixture.ts", import.meta.url));
  const args = ["--import", "tsx", script, kind, ...(dataDir === undefined ? [] : [dataDir])];
  const child: ChildProcess = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of createInterface({ input: child.stdout! })) {
    const place = JSON.parse(line) as { url: string; dataDir: string };
    return {
      ...place,
      killParent: async () => {
        child.kill("SIGKILL");
        await once(child, "exit");
      },
    };
  }
  throw new Error("the process ended before its server was up");
}

/** Whether something listens at a URL's host and port. */
export function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((done) => {
    const socket = connect({ host: hostname, port: Number(port) });
    const finish = (isUp: boolean): void => {
      socket.destroy();
      done(isUp);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}

/** Resolves when a claim has become true, false when it did not within ten seconds. */
export async function becomes(claim: () => boolean | Promise<boolean>): Promise<boolean> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; ) {
    if (await claim()) return true;
    await pause(50);
  }
  return false;
}
