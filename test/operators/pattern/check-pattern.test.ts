import { describe, expect, test } from "vitest";
import { canBeEmpty } from "../../../src/operators/pattern/check-pattern.js";
import type { Pattern } from "../../../src/pipeline/pattern-builder.js";
import { pattern } from "../../../src/pipeline/pattern-builder.js";
import { matchPlan, of, type SaleRow } from "../../fixtures/patterns.js";

type Built = Pattern<SaleRow, string>;
const a = pattern<SaleRow>("a").where(of(1));
const refused: readonly (readonly [why: string, built: () => Built, message: RegExp])[] = [
  ["two steps of one name", () => a.next("a"), /two steps are called "a"/],
  ["a name taken inside a group", () => a.next(pattern<SaleRow>("b").next("a")), /called "a"/],
  ["no repeats", () => a.times(-1), /"a" repeats -1 to -1 times/],
  ["fewer at most than at least", () => a.times(3, 2), /"a" repeats 3 to 2 times/],
  ["a repeated not", () => a.notNext("b").times(2).next("c"), /"b" forbids an event, so it cannot/],
  ["an optional not", () => a.notFollowedBy("b").optional().next("c"), /"b" forbids an event, so/],
  [
    "a not behind an optional step",
    () => a.next("b").optional().notNext("c").next("d"),
    /"b", which/,
  ],
  ["an absence without a time", () => a.notFollowedBy("b"), /"b" ends it with notFollowedBy/],
  ["until without a loop", () => a.until(of(2)), /"a" has until, but does not repeat/],
  ["consecutive without a loop", () => a.consecutive(), /"a" is consecutive, but does not repeat/],
  ["greedy without a loop", () => a.greedy(), /"a" is greedy, but does not repeat/],
  [
    "greedy combinations",
    () => a.oneOrMore().allowCombinations().greedy().next("b"),
    /contradict each other/,
  ],
  [
    "an optional step behind a greedy one",
    () => a.oneOrMore().greedy().next("b").optional().next("c"),
    /"b" is optional right after the greedy "a"/,
  ],
  ["a greedy group", () => a.next(pattern<SaleRow>("b")).times(2).greedy(), /a greedy group/],
  [
    "a group that may be empty",
    () => a.next(pattern<SaleRow>("b").optional()).next("c"),
    /every step of the group of "b" may be left out/,
  ],
  [
    "an absence at the end of a group (deviation 4)",
    () => a.next(pattern<SaleRow>("b").notFollowedBy("c")).next("d"),
    /"c" ends a group with notFollowedBy/,
  ],
  [
    "a not before an optional end (deviation 4)",
    () => a.notFollowedBy("b").followedBy("c").optional().within("1m"),
    /"b" forbids nothing/,
  ],
  ["a gap longer than the whole", () => a.next("b").gap("2m").within("1m"), /the gap before "b"/],
  ["no time at all", () => a.within(0), /within takes a time above zero/],
  ["a skip to nowhere", () => a.afterMatch("toLast", "z" as "a"), /it skips to "z"/],
  [
    "a skip to a step that forbids",
    () =>
      a
        .notNext("b")
        .next("c")
        .afterMatch("toFirst", "b" as "a"),
    /it skips to "b"/,
  ],
];

describe("refused when it is built, with the reason", () => {
  test.each(refused)("%s", (_, built, message) => {
    expect(() => matchPlan(() => built())).toThrow(message);
  });

  test("a limit of no runs", () => {
    expect(() => matchPlan(() => a, { maxRuns: 0 })).toThrow(/maxRuns takes a whole number/);
  });
});

test("a pattern may be empty when all its steps may be left out", () => {
  expect(canBeEmpty(a.optional().definition.elements)).toBe(true);
  expect(canBeEmpty(a.optional().next("b").definition.elements)).toBe(false);
});
