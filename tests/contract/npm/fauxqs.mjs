// fauxqs on a free port, with a clock that runs ahead as stdin says: `advance SECONDS`, a line each.
import { createInterface } from "node:readline";
import { startFauxqs } from "fauxqs";

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

const server = await startFauxqs({ port: 0, logger: false });
console.log(server.address);

for await (const line of createInterface({ input: process.stdin })) {
  ahead += Number(line.split(" ")[1]) * 1000;
  console.log(ahead);
}
await server.stop();
