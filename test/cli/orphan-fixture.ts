// A program that starts servers and then only waits to be killed: it prints where they are.
import { startPostgres } from "../../src/cli/embedded/postgres-server.js";
import { startRedis } from "../../src/cli/embedded/redis-server.js";

const [kind, dataDir] = process.argv.slice(2);
const options = dataDir === undefined ? {} : { dataDir };
const server = await (kind === "redis" ? startRedis(options) : startPostgres(options));
process.stdout.write(`${JSON.stringify({ url: server.url, dataDir: server.dataDir })}\n`);
setInterval(() => {}, 60_000);
