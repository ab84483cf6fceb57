import { errorOfStep, TidemarkError } from "../core/errors.js";

/**
 * USER_FUNCTION, or BAD_VALUE when the function read a cell that is none. The message of a foreign
 * error may quote the row, so only its name and place are repeated; the error itself is the cause.
 */
export function userFailure(error: unknown, step: string, table: string): TidemarkError {
  if (error instanceof TidemarkError) {
    return errorOfStep(error, step);
  }
  const name = error instanceof Error ? error.name : typeof error;
  const place =
    error instanceof Error ? /\n\s+at .*?([^\s()]+:\d+:\d+)\)?/.exec(error.stack ?? "") : null;
  return new TidemarkError(
    "USER_FUNCTION",
    `The function of step "${step}" threw ${name} for a row of ${table}` +
      `${place === null ? "" : ` at ${place[1]}`}. Correct it and start again: nothing from that ` +
      "row's transaction on was acknowledged.",
    { cause: error, detail: { step, table } },
  );
}
