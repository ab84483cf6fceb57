import { Redis } from "ioredis";
import { afterAll } from "vitest";
import {
  type RedisServer,
  type RedisServerOptions,
  startRedis,
} from "../../src/cli/embedded/redis-server.js";
import { sharedService, uniqueName } from "./shared-service.js";

/** The Redis of this test run, shared with other test files. */
export interface TestRedis {
  readonly url: string;
  /** Begin every key with this; such keys are deleted after the file's last test. */
  readonly prefix: string;
}

/** A part of the shared Redis; call it at the top of a test file. */
export async function useRedis(): Promise<TestRedis> {
  const url = await sharedService("redis");
  const prefix = `${uniqueName("test")}:`;
  afterAll(async () => {
    const client = new Redis(url);
    for await (const keys of client.scanStream({ match: `${prefix}*` })) {
      if (keys.length > 0) await client.del(...keys);
    }
    client.disconnect();
  });
  return { url, prefix };
}

/** A server that belongs to the test file alone, to be stopped, killed and restarted. */
export async function ownRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const server = await startRedis(options);
  afterAll(() => server.close());
  return server;
}
