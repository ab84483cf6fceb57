import { styleText } from "node:util";
import pino, { type Logger } from "pino";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** Hides user names and passwords in URLs wherever they turn up in text. */
export function scrub(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@"]*@/gi, "$1***@");
}

/**
 * A logger on stderr: JSON lines, or readable lines when stderr is a terminal. Whatever is logged
 * passes `scrub`; row values and settings are never logged.
 */
export function createLogger(level: string | undefined): Logger {
  const wanted = LEVELS.find((name) => name === level) ?? "info";
  const isTerminal = process.stderr.isTTY === true;
  const write = (line: string): void => {
    const clean = scrub(line);
    process.stderr.write(isTerminal ? readable(clean) : clean);
  };
  return pino(
    { level: wanted, base: null, redact: ["url", "password", "*.url", "*.password"] },
    { write },
  );
}

function readable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as {
    level: number;
    time: number;
    msg: string;
  };
  const clock = new Date(time).toISOString().slice(11, 19);
  const name =
    level >= 50 ? styleText("red", "error") : level >= 40 ? styleText("yellow", "warn ") : "info ";
  const facts = Object.entries(rest).map(([key, value]) => `${key}=${String(value)}`);
  return `${styleText("dim", clock)} ${name} ${msg} ${styleText("dim", facts.join(" "))}\n`;
}
