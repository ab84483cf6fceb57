// Checks what users will install: packs the built package into a temporary folder and runs publint
// and arethetypeswrong on the tarball, then reads package-lock.json for the runtime tree: no install
// scripts, and every engines field accepts the oldest Node that package.json names.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const oldestNode = "20.19.0";
let failures = 0;

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (result.status !== 0) failures += 1;
}

function checkTarball() {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-pack-"));
  try {
    run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder]);
    const name = readdirSync(folder).find((file) => file.endsWith(".tgz"));
    if (name === undefined) throw new Error("npm pack wrote no tarball.");
    const tarball = join(folder, name);
    const bin = (tool) => join(root, "node_modules", ".bin", tool);
    run(bin("publint"), ["run", "--strict", tarball]);
    run(bin("attw"), ["--profile", "esm-only", "--no-emoji", tarball]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkRuntimeTree() {
  const semver = require("semver");
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.dev || entry.devOptional) continue;
    const complain = (sentence) => {
      failures += 1;
      console.error(`${path || "this package"} ${sentence}`);
    };
    if (entry.hasInstallScript) complain("has an install script.");
    const range = entry.engines?.node;
    if (range && !semver.satisfies(oldestNode, range)) complain(`wants Node ${range}.`);
  }
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.resolved?.startsWith("http")) {
      failures += 1;
      console.error(`${path} records a download address in package-lock.json.`);
    }
  }
}

checkTarball();
checkRuntimeTree();
if (failures > 0) {
  console.error(`${failures} package check(s) failed.`);
  process.exit(1);
}
