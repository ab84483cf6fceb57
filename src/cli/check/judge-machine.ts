import { formatSeconds } from "../render.js";
import { type Finding, fail, ok, warn } from "./finding.js";

/** `engines` of package.json. */
const MIN_NODE = [20, 19] as const;
const MAX_SKEW_MS = 1000;

/** `version` as in process.versions.node. */
export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isEnough = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  if (isEnough) return ok("node", `Node.js ${version}`);
  return fail("node", `Node.js ${version} is too old; it takes ${MIN_NODE.join(".")} or later`);
}

/** Readings of both clocks: ours before and after the server's, in milliseconds. */
export interface ClockReading {
  readonly beforeMs: number;
  readonly serverMs: number;
  readonly afterMs: number;
}

/** How far the clocks are apart for certain: what the round trip cannot explain. */
export function judgeClocks({ beforeMs, serverMs, afterMs }: ClockReading): Finding {
  const ahead = Math.max(serverMs - afterMs, 0) || Math.min(serverMs - beforeMs, 0);
  if (Math.abs(ahead) < MAX_SKEW_MS) return ok("clock", "This machine and the source agree");
  const direction = ahead > 0 ? "ahead of" : "behind";
  const by = formatSeconds(Math.abs(ahead) / 1000);
  return warn("clock", `The source's clock is ${by} ${direction} this machine's`, {
    cost: "Windows follow the source's clock and are right; delays shown here are wrong",
    fix: "timedatectl set-ntp true",
  });
}

/** Whether what goes over the network is encrypted. `role`: source, results, checkpoint. */
export function judgeTls(role: string, url: string, isEncrypted: boolean): Finding {
  const name = `${role} TLS`;
  if (isEncrypted) return ok(name, "The connection is encrypted");
  const host = hostOf(url);
  if (isLocal(host)) return ok(name, "The connection is local and not encrypted");
  return warn(name, `The connection to ${host} is not encrypted`, {
    cost: "Rows can be read and changed on their way",
    fix: `add sslmode=verify-full to the ${role} URL`,
  });
}

function hostOf(url: string): string {
  const { hostname, searchParams } = new URL(url);
  return decodeURIComponent(searchParams.get("host") ?? hostname);
}

function isLocal(host: string): boolean {
  return host === "" || host.startsWith("/") || /^(localhost|127\.[\d.]+|\[?::1\]?)$/.test(host);
}
