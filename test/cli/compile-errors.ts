import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Files need not exist: the compiler host serves them from memory, as if they were here. */
const folder = `${root}test/cli/`;

/** Errors of the project's compiler settings for these files, as `name: message`. */
export function compileErrors(files: Readonly<Record<string, string>>): string[] {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const all: ts.CompilerOptions = { ...options, paths: { tidemark: [`${root}src/index.ts`] } };
  const host = ts.createCompilerHost(all);
  const textOf = (path: string): string | undefined =>
    path.startsWith(folder) ? files[path.slice(folder.length)] : undefined;
  const { readFile, fileExists, getSourceFile } = host;
  host.readFile = (path) => textOf(path) ?? readFile(path);
  host.fileExists = (path) => textOf(path) !== undefined || fileExists(path);
  host.getSourceFile = (path, languageVersion) => {
    const text = textOf(path);
    return text === undefined
      ? getSourceFile(path, languageVersion)
      : ts.createSourceFile(path, text, languageVersion);
  };
  const program = ts.createProgram(
    Object.keys(files).map((name) => folder + name),
    all,
    host,
  );
  return Object.keys(files).flatMap((name) => {
    const source = program.getSourceFile(folder + name);
    if (source === undefined) return [`${name}: not compiled`];
    return [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map(({ messageText }) => `${name}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
  });
}
