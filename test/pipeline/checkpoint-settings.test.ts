import { describe, expect, test } from "vitest";
import { file, redis, resolveCheckpoint } from "../../src/pipeline/checkpoint-settings.js";

const message = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    const { code, message: text } = error as { code?: unknown; message: string };
    return `${code} ${text}`;
  }
  return "accepted";
};

const sentinel = { name: "main", nodes: ["a:26379"] };
const defaults = { pipeline: "shop", url: undefined, resultsUrl: "postgresql://h/d" };

describe("options of redis() are refused with one sentence that names them", () => {
  test.each<[unknown, RegExp]>([
    [{ urll: "redis://h" }, /unknown option urll; it takes url, nodes, sentinel, durability, /],
    [{ url: "http://h" }, /option url takes a URL such as "rediss:/],
    [{ url: "redis:///0" }, /option url takes a URL such as "rediss:/],
    [{ durability: "fsync" }, /option durability: .*"waitaof"\|"always"\|"delay"\|"none"/],
    [{ replicas: -1 }, /option replicas: /],
    [{ nodes: ["h"] }, /option nodes\.0 takes an address such as "host:6379"/],
    [{ sentinel: { name: "main", nodes: [] } }, /option sentinel\.nodes: /],
    [
      { sentinel: { ...sentinel, pasword: "x" } },
      /option sentinel\.pasword; sentinel takes name, nodes, username, password\./,
    ],
    [{ sentinel, nodes: ["h:6379"] }, /nodes are of a Cluster, which has no Sentinels/],
    [{ durability: "always", replicas: 1 }, /replicas needs durability waitaof/],
    [{ durability: "always", delay: "5s" }, /delay needs durability delay/],
    [{ delay: "soon" }, /redis\(\{ delay \}\)/],
    [{ commandTimeout: -1 }, /redis\(\{ commandTimeout \}\)/],
    [{ prefix: "a{b}" }, /option prefix takes 1 to 100 characters without spaces and braces/],
  ])("%j", (options, sentence) => {
    const told = message(() => redis(options as Parameters<typeof redis>[0]));
    expect(told).toMatch(/^CONFIG_INVALID /);
    expect(told).toMatch(sentence);
    expect(told.split("\n")).toHaveLength(1);
  });
});

test.each<[unknown, RegExp]>([
  [{}, /option dir: /],
  [{ dir: "" }, /option dir: /],
  [{ dir: "/var/lib/tidemark", fsync: true }, /unknown option fsync; it takes dir\./],
])("file(%j) is refused with the option's name", (options, sentence) => {
  const told = message(() => file(options as Parameters<typeof file>[0]));
  expect(told).toMatch(/^CONFIG_INVALID /);
  expect(told).toMatch(sentence);
});

test("without a URL the environment's is taken, and one of another kind is refused", () => {
  const resolve = (url: string | undefined) => resolveCheckpoint(redis(), { ...defaults, url });
  expect(resolve("rediss://h")).toMatchObject({ kind: "redis", url: "rediss://h" });
  for (const url of [undefined, "postgresql://h/d"]) {
    expect(message(() => resolve(url))).toMatch(/^CONFIG_INVALID No Redis: set redis\(\{ url \}\)/);
  }
});

test("a URL and Sentinels go together: login, database and TLS are the URL's", () => {
  const spec = redis({ url: "rediss://u:p@checkpoints/2", sentinel });
  expect(resolveCheckpoint(spec, defaults)).toMatchObject({
    url: "rediss://u:p@checkpoints/2",
    sentinel,
    nodes: [],
    durability: null,
    delayMs: 3_000,
    commandTimeoutMs: 5_000,
    prefix: "tidemark",
  });
});
