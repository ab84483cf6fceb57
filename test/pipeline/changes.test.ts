import { describe, expect, test } from "vitest";
import type { ChangeOf, Published, RowOf, UNCHANGED } from "../../src/index.js";
import { sql } from "../../src/index.js";
import { type From, pipeline, postgres } from "../../src/pipeline/builder.js";
import { slot } from "../../src/pipeline/specs.js";

interface Item {
  readonly id: bigint;
  readonly note: string | null;
  readonly size: number;
}

/** True where the two types are the same: a constant of this type compiles only then. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Only<C, Op> = Extract<C, { readonly op: Op }>;

interface Database {
  /** As `tidemark types` writes a table with a primary key, */
  "public.keyed": Published<Item, { readonly id: bigint }, "note">;
  /** one whose key is all it has, */
  "public.pairs": Published<{ readonly a: number }, { readonly a: number }>;
  /** one with REPLICA IDENTITY FULL, */
  "public.full": Published<Item, "full">;
  /** one whose rows cannot be updated, */
  "public.log": Published<Item, null>;
  /** and a table as one writes it by hand. */
  "public.plain": Item;
}

type In<T extends keyof Database, Op> = Only<ChangeOf<Database[T]>, Op>;

describe("the type of a change", () => {
  test("has the images that its operation has", () => {
    const use = (from: From<Database>) => {
      from("public.keyed")
        .changes()
        .filter((change) => {
          // @ts-expect-error not every change has a new row
          change.after;
          // @ts-expect-error not every change has an old row
          change.before;
          // @ts-expect-error there is no such operation
          if (change.op === "upsert") return true;
          // @ts-expect-error a truncate has no rows
          if (change.op === "truncate") return change.before === null;
          // @ts-expect-error an insert has no old row
          if (change.op === "insert") return change.before === null;
          // @ts-expect-error a delete has no new row
          if (change.op === "delete") return change.after === null;
          return change.before?.id !== change.after.id;
        })
        // @ts-expect-error a filter decides
        .filter(() => "yes")
        // @ts-expect-error conditions in SQL are for rows
        .filter(sql`size > 1`)
        .into(postgres.append("log"));
    };
    expect(use).toBeTypeOf("function");
  });

  test("has of an old row what the log keeps of it", () => {
    const key: Same<In<"public.keyed", "delete">["before"], Readonly<{ id: bigint }>> = true;
    const keyOrNull: Same<In<"public.keyed", "update">["before"], Readonly<{ id: bigint }> | null> =
      true;
    const allKey: Same<In<"public.pairs", "update">["before"], Readonly<{ a: number }> | null> =
      true;
    const whole: Same<In<"public.full", "update">["before"], Item> = true;
    const deleted: Same<In<"public.full", "delete">["before"], Item> = true;
    const none: Same<ChangeOf<Database["public.log"]>["op"], "insert" | "truncate"> = true;
    const perhaps: Same<In<"public.plain", "delete">["before"], Partial<Item>> = true;
    expect([key, keyOrNull, allKey, whole, deleted, none, perhaps]).not.toContain(false);
  });

  test("has the mark of an unchanged value only where a value may be left out", () => {
    type Marked<R> = { [C in keyof R]: typeof UNCHANGED extends R[C] ? C : never }[keyof R];
    const keyed: Same<Marked<In<"public.keyed", "update">["after"]>, "note"> = true;
    const inserted: Same<Marked<In<"public.keyed", "insert">["after"]>, never> = true;
    const full: Same<Marked<In<"public.full", "update">["after"]>, never> = true;
    const plain: Same<Marked<In<"public.plain", "update">["after"]>, keyof Item> = true;
    const row: Same<RowOf<Database["public.keyed"]>, RowOf<Database["public.plain"]>> = true;
    expect([keyed, inserted, full, plain, row]).not.toContain(false);
  });
});

test("a condition in SQL is refused where changes are filtered", () => {
  const build = () =>
    pipeline<Database>("p", { source: slot() }, (from) => {
      const condition = sql`size > 1` as never;
      from("public.full").changes().filter(condition).into(postgres.append("log"));
    });
  expect(build).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
});
