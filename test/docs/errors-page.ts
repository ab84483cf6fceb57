import { ERROR_CODES, type ErrorDomain, EXIT, type RetryHint } from "../../src/core/error-codes.js";

const DOMAINS: Readonly<Record<ErrorDomain, string>> = {
  config: "what was written: options, plan, result tables",
  source: "the server that is read",
  data: "the rows that arrive",
  state: "checkpoint and slot, and whether they belong together",
  sink: "the database that results go to",
};

const RETRIES: Readonly<Record<RetryHint, string>> = {
  backoff: "Tidemark tries again by itself, with growing pauses",
  operator: "it stops; somebody has to act, then it can be started again",
  never: "it stops; starting it again as it is changes nothing",
};

const EXITS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "finished, or stopped as asked",
  internal: "a bug in Tidemark; the stack is printed",
  config: "the command line, the configuration or the plan is wrong",
  source: "the source cannot be read",
  needsResync: "the stream cannot go on from the checkpoint; see `--reset`",
  diverged: "checkpoint and server belong to different histories",
  fenced: "another instance has taken over; do not restart this one",
  sink: "results or checkpoints cannot be written",
  data: "rows that the pipeline cannot take, or too many of them",
  budget: "the slot keeps more WAL on the source than it may",
};

/** docs/errors.md, from the registry of codes. */
export function errorsPage(): string {
  return [
    "<!-- Generated from src/core/error-codes.ts: UPDATE_DOCS=1 npx vitest run test/docs -->",
    "",
    "# Errors",
    "",
    "Every failure has a code that does not change, for programs to look at and for this page. " +
      "With `--json` it is printed as `error.code`.",
    "",
    ...definitions("The domain says where to look", DOMAINS),
    ...definitions("The retry hint says who acts", RETRIES),
    ...exitCodes(),
    "## Codes",
    "",
    ...Object.entries(ERROR_CODES).flatMap(([code, facts]) => [
      `### ${code}`,
      "",
      `Domain ${facts.domain}, retry ${facts.retry}, exit code ${facts.exitCode}.`,
      "",
      facts.doc,
      "",
    ]),
  ]
    .join("\n")
    .replace(/\n+$/, "\n");
}

function definitions(title: string, words: Readonly<Record<string, string>>): string[] {
  const lines = Object.entries(words).map(([word, meaning]) => `- **${word}**: ${meaning}.`);
  return [`${title}:`, "", ...lines, ""];
}

function exitCodes(): string[] {
  const rows = Object.entries(EXIT).map(([name, code]) => {
    const codes = Object.entries(ERROR_CODES)
      .filter(([, facts]) => facts.exitCode === code)
      .map(([errorCode]) => `[${errorCode}](#${errorCode.toLowerCase()})`);
    return `| ${code} | ${EXITS[name as keyof typeof EXIT]} | ${codes.join(", ")} |`;
  });
  return [
    "## Exit codes",
    "",
    "| Code | Meaning | Errors |",
    "| ---: | --- | --- |",
    ...rows,
    "",
    "A second SIGINT or SIGTERM while it stops ends the process with 130 or 143.",
    "",
  ];
}
