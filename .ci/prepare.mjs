// Makes a fresh clone runnable with nothing but Node and npm: installs the locked packages when
// node_modules does not match package-lock.json, and builds dist when the sources have changed.
// Costs about 100 ms when both are up to date. Two runs at once are safe: a lock folder makes the
// second one wait, and the build appears in one rename.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const workDir = join(root, ".tidemark");
const lockDir = join(workDir, "prepare.lock");
const stampFile = join(root, "dist", ".stamp");
const buildInputs = ["src", "decoders", "sinks", "tsconfig.json", "tsconfig.build.json"];
const lockWaitMs = 600_000;

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Tidemark needs Node 20.19 or newer; this is Node ${process.versions.node}.`);
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function isAbandoned() {
  const owner = readText(join(lockDir, "pid"));
  if (owner !== undefined && owner !== "") return !isAlive(Number(owner));
  try {
    return Date.now() - statSync(lockDir).mtimeMs > 10_000;
  } catch {
    return false;
  }
}

function takeLock() {
  mkdirSync(workDir, { recursive: true });
  const deadline = Date.now() + lockWaitMs;
  for (;;) {
    try {
      mkdirSync(lockDir);
      writeFileSync(join(lockDir, "pid"), String(process.pid));
      process.on("exit", () => rmSync(lockDir, { recursive: true, force: true }));
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (isAbandoned()) rmSync(lockDir, { recursive: true, force: true });
    else if (Date.now() > deadline) fail(`Another run still holds ${lockDir}; remove that folder.`);
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
}

// npm writes node_modules/.package-lock.json last, so it describes only complete installs.
function isInstalled() {
  const locked = readText(join(root, "package-lock.json"));
  const installed = readText(join(root, "node_modules", ".package-lock.json"));
  if (locked === undefined) fail("package-lock.json is missing; restore it from git.");
  if (installed === undefined) return false;
  const present = JSON.parse(installed).packages;
  for (const [path, entry] of Object.entries(JSON.parse(locked).packages)) {
    if (path === "" || entry.link) continue;
    const found = present[path];
    if (found === undefined ? !(entry.optional || entry.peer) : found.version !== entry.version) {
      return false;
    }
  }
  return true;
}

function run(command, args, sentence) {
  // npm on Windows is a .cmd file, which only a shell can start.
  const shell = process.platform === "win32" && command === "npm";
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell });
  if (result.error) fail(`${sentence} ${result.error.message}`);
  if (result.status !== 0) fail(sentence);
}

function* filesUnder(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    yield `${path}:${stat.mtimeMs}:${stat.size}`;
    return;
  }
  for (const name of readdirSync(path).sort()) yield* filesUnder(join(path, name));
}

function sourceStamp() {
  const hash = createHash("sha256").update(process.version);
  for (const input of buildInputs) {
    for (const line of filesUnder(join(root, input))) hash.update(`${line}\n`);
  }
  hash.update(readText(join(root, "node_modules", "typescript", "package.json")) ?? "");
  return hash.digest("hex");
}

function build(stamp) {
  const next = join(root, ".dist-next");
  const old = join(root, ".dist-old");
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  console.error("Building dist ...");
  for (const dir of [next, old]) rmSync(dir, { recursive: true, force: true });
  run(
    process.execPath,
    [compiler, "-p", "tsconfig.build.json", "--outDir", next],
    "The build failed; the compiler's messages are above.",
  );
  writeFileSync(join(next, ".stamp"), stamp);
  if (statSync(join(root, "dist"), { throwIfNoEntry: false })) renameSync(join(root, "dist"), old);
  renameSync(next, join(root, "dist"));
  rmSync(old, { recursive: true, force: true });
}

checkNode();
if (!isInstalled() || readText(stampFile) !== sourceStamp()) {
  takeLock();
  if (!isInstalled()) {
    console.error("Installing packages ...");
    run(
      "npm",
      ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
      "npm ci failed; check that npm is on the PATH and can reach its registry.",
    );
  }
  const stamp = sourceStamp();
  if (readText(stampFile) !== stamp) build(stamp);
}
