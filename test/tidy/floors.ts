import { posix } from "node:path";
import { importsOf, type TidyFile, type Violation } from "./syntax.js";

/** A folder's place in the building: it may import only folders on lower floors. */
interface Floor {
  readonly floor: number;
  /** Narrows the lower floors to these folders. */
  readonly only?: readonly string[];
}

const floors: Readonly<Record<string, Floor>> = {
  "src/core": { floor: 0 },
  "src/expression": { floor: 1 },
  "src/state": { floor: 1 },
  decoders: { floor: 1 },
  sinks: { floor: 1 },
  "src/operators": { floor: 2, only: ["src/core", "src/state", "src/expression"] },
  "src/checkpoint": { floor: 2, only: ["src/core", "src/state"] },
  "src/source": { floor: 2, only: ["src/core"] },
  "src/pipeline": {
    floor: 3,
    only: ["src/core", "src/expression", "src/state", "src/operators"],
  },
  "src/observe": { floor: 3 },
  "src/index.ts": { floor: 4 },
  "src/cli": { floor: 5 },
};

/** The folder of the floor table a path belongs to: `src/<folder>`, or the first segment. */
function folderOf(path: string): string {
  const segments = path.split("/");
  return segments[0] === "src" ? segments.slice(0, 2).join("/") : (segments[0] ?? "");
}

/** Imports point only downward, and never sideways between folders of one floor. */
export function importsPointDownward(file: TidyFile): Violation[] {
  const folder = folderOf(file.path);
  const own = floors[folder];
  const report = (line: number, message: string): Violation => {
    return { rule: "imports-point-downward", path: file.path, line, message };
  };
  if (own === undefined) return [report(1, `${folder} has no place in the floor table`)];
  const violations: Violation[] = [];
  for (const { name, line } of importsOf(file)) {
    if (!name.startsWith(".")) {
      if (own.floor === 0)
        violations.push(report(line, `${folder} imports no module like ${name}`));
      continue;
    }
    const target = folderOf(posix.join(posix.dirname(file.path), name.replace(/\.js$/, ".ts")));
    if (target === folder) continue;
    const other = floors[target];
    if (other === undefined || other.floor >= own.floor || own.only?.includes(target) === false) {
      violations.push(report(line, `${folder} may not import ${target}`));
    }
  }
  return violations;
}
