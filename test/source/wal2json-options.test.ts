import { expect, test } from "vitest";
import { wal2jsonOptions } from "../../src/source/wal2json-options.js";

test("names in add-tables are escaped where the plugin would cut them", () => {
  const tables = [
    { schema: "public", name: "t" },
    { schema: "My schema", name: "a.b,c'd\"e*f\\g\th" },
  ];
  const options = wal2jsonOptions({ tables, hasNumbersAsText: true });
  expect(options["add-tables"]).toBe("public.t,My\\ schema.a\\.b\\,c\\'d\\\"e\\*f\\\\g\\\th");
  expect(options["numeric-data-types-as-string"]).toBe("true");
});

test("an option that older versions do not know is not sent to them", () => {
  const options = wal2jsonOptions({ tables: null, hasNumbersAsText: false });
  expect(Object.keys(options)).not.toContain("numeric-data-types-as-string");
  expect(Object.keys(options)).not.toContain("add-tables");
});
