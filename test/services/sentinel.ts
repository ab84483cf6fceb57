import { mkdtemp, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { findRedis } from "../../src/cli/embedded/redis-binary.js";
import { freePort, supervise } from "../../src/cli/embedded/supervise.js";

/** A Redis Sentinel of a test's own. */
export interface Sentinel {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Milliseconds. Otherwise a Sentinel asks for roles every ten seconds; and on a machine that is so
 * busy that a timer of it comes two seconds late, it does nothing for half a minute ("tilt").
 */
const PACE: Readonly<Record<string, number>> = {
  "info-period": 100,
  "ping-period": 100,
  "ask-period": 100,
  "publish-period": 100,
  "min-link-reconnect-period": 100,
  "tilt-trigger": 60_000,
  "tilt-period": 1_000,
};

/** Starts one that decides alone, within about a second, over the primary on `primaryPort`. */
export async function startSentinel(name: string, primaryPort: number): Promise<Sentinel> {
  const [folder, port] = [await mkdtemp(join(tmpdir(), "tidemark-sentinel-")), await freePort()];
  const config = join(folder, "sentinel.conf");
  await writeFile(
    config,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${folder}`,
      `sentinel monitor ${name} 127.0.0.1 ${primaryPort} 1`,
      `sentinel down-after-milliseconds ${name} 1000`,
      `sentinel failover-timeout ${name} 10000\n`,
    ].join("\n"),
  );
  const supervisor = supervise({ signals: ["SIGKILL"], temporaryDir: folder });
  await supervisor.launch({
    title: "Redis Sentinel",
    command: findRedis(),
    args: [config, "--sentinel"],
    cwd: folder,
    logFile: join(folder, "server.log"),
    isReady: () => accepts(port),
  });
  const client = new Redis({ port });
  const pace = Object.entries(PACE).flat();
  await client.call("SENTINEL", "DEBUG", ...pace).catch(() => {}); // before Redis 7 it is slow
  client.disconnect();
  return { port, close: supervisor.close };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
    socket.once("close", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}
