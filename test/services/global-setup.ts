// Owns the servers that test files share. They start when the first file asks, so a run of plain
// tests starts none: test files live in other processes and ask over HTTP on 127.0.0.1.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import type { PostgresVersion } from "../../src/cli/embedded/postgres-binaries.js";
import { startPostgres } from "../../src/cli/embedded/postgres-server.js";
import { startRedis } from "../../src/cli/embedded/redis-server.js";
import { hasDocker, startPostgresContainer, startRedisContainer } from "./docker.js";

declare module "vitest" {
  interface ProvidedContext {
    /** `GET <broker>/postgres/18` answers with the URL of a shared server. */
    serviceBroker: string;
  }
}

interface SharedService {
  readonly url: string;
  close(): Promise<void>;
}

// A crash of the server keeps what the kernel has, so tests lose nothing without fsync.
const sharedSettings = { fsync: "off", max_replication_slots: "40", max_wal_senders: "40" };

function given(variable: string): SharedService | undefined {
  const url = process.env[variable];
  return url === undefined || url === "" ? undefined : { url, close: async () => {} };
}

async function startService(path: string): Promise<SharedService> {
  const [, name, version] = path.split("/");
  if (name === "redis") {
    return (
      given("TIDEMARK_TEST_REDIS_URL") ??
      (await inDocker(startRedisContainer)) ??
      (await startRedis())
    );
  }
  const major = Number(version) as PostgresVersion;
  return (
    (major === 18 ? given("TIDEMARK_TEST_POSTGRES_URL") : undefined) ??
    (await inDocker(() => startPostgresContainer(major, sharedSettings))) ??
    (await startPostgres({ version: major, settings: sharedSettings }))
  );
}

async function inDocker(start: () => Promise<SharedService>): Promise<SharedService | undefined> {
  if (!(await hasDocker())) return undefined;
  try {
    return await start();
  } catch {
    // No image and no way to fetch one: the binaries still work.
    return undefined;
  }
}

function listen(server: Server): Promise<number> {
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => done((server.address() as AddressInfo).port));
  });
}

/** Vitest calls this once a run, before any worker; the result runs after the last test. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const services = new Map<string, Promise<SharedService>>();
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const service = services.get(path) ?? startService(path);
    services.set(path, service);
    service.then(
      ({ url }) => response.end(url),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  project.provide("serviceBroker", `http://127.0.0.1:${await listen(server)}`);
  return async () => {
    server.closeAllConnections();
    server.close();
    for (const service of services.values()) {
      await service.then((started) => started.close()).catch(() => {});
    }
  };
}
