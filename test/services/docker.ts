import { request } from "node:http";

/** Whether a Docker engine answers within a second; where it does not, nothing is loaded. */
export function hasDocker(): Promise<boolean> {
  const host = process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";
  const url = new URL(host);
  const target =
    url.protocol === "unix:"
      ? { socketPath: url.pathname }
      : { host: url.hostname, port: url.port === "" ? 2375 : Number(url.port) };
  return new Promise((done) => {
    const ping = request({ ...target, path: "/_ping", timeout: 1_000 }, (response) => {
      response.resume();
      done(response.statusCode === 200);
    });
    ping.once("timeout", () => ping.destroy());
    ping.once("error", () => done(false));
    ping.end();
  });
}

/** A server in a container. */
export interface Container {
  readonly url: string;
  close(): Promise<void>;
}

/** Starts the official PostgreSQL image of a major version, ready for logical replication. */
export async function startPostgresContainer(
  version: number,
  settings: Readonly<Record<string, string>>,
): Promise<Container> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer(`postgres:${version}`)
    .withEnvironment({ POSTGRES_PASSWORD: "postgres" })
    .withCommand([
      "postgres",
      ...Object.entries({ wal_level: "logical", ...settings }).flatMap(([name, value]) => [
        "-c",
        `${name}=${value}`,
      ]),
    ])
    .withExposedPorts(5432)
    // The image starts the server twice: once for its own initialisation.
    .withWaitStrategy(Wait.forLogMessage(/database system is ready to accept connections/, 2))
    .start();
  const address = `${container.getHost()}:${container.getMappedPort(5432)}`;
  return {
    url: `postgres://postgres:postgres@${address}/postgres`,
    close: async () => {
      await container.stop();
    },
  };
}

/** Starts Redis 7 with an append-only file. */
export async function startRedisContainer(): Promise<Container> {
  const { GenericContainer, Wait } = await import("testcontainers");
  const container = await new GenericContainer("redis:7")
    .withCommand(["redis-server", "--appendonly", "yes"])
    .withExposedPorts(6379)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .start();
  return {
    url: `redis://${container.getHost()}:${container.getMappedPort(6379)}`,
    close: async () => {
      await container.stop();
    },
  };
}
