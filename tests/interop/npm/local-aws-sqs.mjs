// local-aws-sqs on the port that is given, until its input ends.
import { createSqsServer } from "local-aws-sqs";

const port = Number(process.argv[2]);
const server = await createSqsServer({ port, hostname: "127.0.0.1" });
console.log("listening");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
