import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";
import { redisConnect } from "../../src/checkpoint/redis/redis-client.js";
import { freePort } from "../../src/cli/embedded/supervise.js";
import { ownRedis } from "../services/redis.js";

const folder = mkdtempSync(join(tmpdir(), "tidemark-tls-"));
afterAll(() => rmSync(folder, { recursive: true }));
const [key, certificate] = [join(folder, "key.pem"), join(folder, "ca.pem")];
const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
execFileSync(
  "openssl",
  [
    ...request.split(" "),
    ...["-subj", "/CN=tidemark test", "-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-keyout", key, "-out", certificate],
  ],
  { stdio: "ignore" },
);

const port = await freePort();
await ownRedis({
  settings: {
    "tls-port": String(port),
    "tls-cert-file": certificate,
    "tls-key-file": key,
    "tls-auth-clients": "no",
  },
});

const rest = { nodes: [], sentinel: null, commandTimeoutMs: 5_000, connectionName: "test" };

/** Sends a command over TLS from a process that trusts `ca`, and returns what it printed. */
async function sendFromChild(host: string, ca: string): Promise<string> {
  const script = `
    import { redisConnect } from "./src/checkpoint/redis/redis-client.ts";
    const target = { ...${JSON.stringify(rest)}, url: "rediss://${host}:${port}" };
    redisConnect(target)("k").then(
      async (session) => {
        console.log(String(await session.send("ECHO", "over TLS")));
        await session.end();
      },
      (error) => console.log(error.code, error.message),
    );`;
  const child = spawn(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "--eval", script],
    {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: ca },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const [out, err] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close"),
  ]);
  return out + err;
}

test("a certificate whose CA is in NODE_EXTRA_CA_CERTS is trusted", async () => {
  expect(await sendFromChild("127.0.0.1", certificate)).toBe("over TLS\n");
});

test("a trusted certificate for another name is refused", async () => {
  expect(await sendFromChild("localhost", certificate)).toMatch(
    /^CHECKPOINT_REFUSED The certificate of Redis is for another name/,
  );
});

test("a certificate that nobody has signed is refused with the way to trust its CA", async () => {
  const connect = redisConnect({ ...rest, url: `rediss://127.0.0.1:${port}` });
  await expect(connect("k")).rejects.toMatchObject({
    code: "CHECKPOINT_REFUSED",
    message: expect.stringMatching(/is not trusted; start Tidemark with NODE_EXTRA_CA_CERTS=/),
  });
});
