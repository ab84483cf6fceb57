import { EXIT } from "../core/error-codes.js";
import { TidemarkError } from "../core/errors.js";
import { scrub } from "./logger.js";

/**
 * Says on stderr what went wrong: one sentence with what to do next for what can happen, the stack
 * for our own mistakes. Returns the exit code.
 */
export function reportFailure(error: unknown, isJson: boolean): number {
  if (error instanceof TidemarkError) {
    const message = scrub(error.message);
    const { code, domain, retry, exitCode } = error;
    process.stderr.write(
      isJson
        ? `${JSON.stringify({ error: { code, domain, retry, message } })}\n`
        : `tidemark: ${message} [${code}]\n`,
    );
    return exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`tidemark: this is a bug, please report it:\n${scrub(stack)}\n`);
  return EXIT.internal;
}
