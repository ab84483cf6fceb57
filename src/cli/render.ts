import { styleText } from "node:util";

/** Colours of the command line, by what they mean. */
const STYLES = {
  good: "green",
  bad: "red",
  doubtful: "yellow",
  quiet: "gray",
} as const;

/** Paints text, or leaves it alone. */
export type Paint = (style: keyof typeof STYLES, text: string) => string;

/** A painter; `color` is what {@link wantsColor} says, or a flag. */
export function painter(color: boolean): Paint {
  if (!color) return (_style, text) => text;
  return (style, text) => styleText(STYLES[style], text, { validateStream: false });
}

/** Whether to use colour: a terminal that is not dumb, unless NO_COLOR is set (no-color.org). */
export function wantsColor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const noColor = env["NO_COLOR"];
  return stream.isTTY === true && env["TERM"] !== "dumb" && (noColor ?? "") === "";
}

/** `1.5 GiB`; whole bytes below 1 KiB. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : Number(value.toFixed(1))} ${units[unit]}`;
}

/** `45 s`, `12 min`, `3.5 h`, `2 days`: one unit, at most one decimal. */
export function formatSeconds(seconds: number): string {
  const [size, unit] =
    seconds < 120
      ? [1, "s"]
      : seconds < 7200
        ? [60, "min"]
        : seconds < 172_800
          ? [3600, "h"]
          : [86_400, "days"];
  return `${Number((seconds / size).toFixed(1))} ${unit}`;
}

/** Text from elsewhere without control characters: a name may hold an escape sequence. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}
