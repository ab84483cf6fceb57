// Inserts rows at a given rate or as fast as the server takes them, over several connections.
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { WRITER_APPLICATION } from "../cpu-affinity.js";
import { insertNowSql } from "./events-table.js";
import { answer, answerAndExit, readOrder, type WriterOrder, type WriterReport } from "./order.js";
import { quantile } from "./statistics.js";

const order = readOrder<WriterOrder>();
const text = insertNowSql(order.table);
const { rowsPerTransaction, rowsPerSecond } = order;
const clients = await Promise.all(Array.from({ length: order.connections }, connect));
const transactionMs: number[] = [];
let started = 0;

answer({ ready: true });
const beganMs = performance.now();
const endMs = beganMs + order.seconds * 1000;
await Promise.all(clients.map(insertUntilEnd));
const wallMs = performance.now() - beganMs;
await Promise.all(clients.map((client) => client.end()));
const report: WriterReport = {
  rows: transactionMs.length * rowsPerTransaction,
  transactions: transactionMs.length,
  wallMs,
  transactionMs: { p50: quantile(transactionMs, 0.5), p99: quantile(transactionMs, 0.99) },
};
answerAndExit(report);

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: order.url,
    application_name: WRITER_APPLICATION,
  });
  await client.connect();
  return client;
}

async function insertUntilEnd(client: pg.Client): Promise<void> {
  for (;;) {
    const number = started++;
    const first = number * rowsPerTransaction + 1;
    if (rowsPerSecond !== null) {
      const dueMs = beganMs + (number * rowsPerTransaction * 1000) / rowsPerSecond;
      if (dueMs >= endMs) return;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0) await pause(waitMs);
    }
    const beginMs = performance.now();
    if (beginMs >= endMs) return;
    const values = [first, first + rowsPerTransaction - 1];
    await client.query({ name: "insert", text, values });
    transactionMs.push(performance.now() - beginMs);
  }
}
