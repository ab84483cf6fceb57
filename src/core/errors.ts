import { ERROR_CODES, type ErrorCode, type ErrorDomain, type RetryHint } from "./error-codes.js";

/** What an error carries beside its sentence. */
export interface ErrorContext {
  /** Facts for logs and programs; never row values, never credentials. */
  readonly detail?: Readonly<Record<string, string | number | boolean | null>>;
  readonly cause?: unknown;
}

/**
 * The one error class of Tidemark: a code from the registry and a sentence that says what to do
 * next. Domain, retry hint and exit code follow from the code.
 */
export class TidemarkError extends Error {
  override readonly name = "TidemarkError";
  readonly code: ErrorCode;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;

  constructor(code: ErrorCode, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.code = code;
    this.detail = Object.freeze({ ...context.detail });
  }

  get domain(): ErrorDomain {
    return ERROR_CODES[this.code].domain;
  }

  get retry(): RetryHint {
    return ERROR_CODES[this.code].retry;
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exitCode;
  }
}

/** The same error, with the step of the pipeline in front of its sentence. */
export function errorOfStep(error: TidemarkError, step: string): TidemarkError {
  const { code, message, detail } = error;
  return new TidemarkError(code, `${step}: ${message}`, { cause: error, detail });
}
