/** The gateway as a process of its own, to be killed: prints its URL when it is ready. Settings and folder by argument. */
import { startGateway } from "../../src/cli/gateway.ts";

const [statePath = "", settings = "{}"] = process.argv.slice(2);
const gateway = await startGateway({
  port: 0,
  statePath,
  settings: JSON.parse(settings) as Record<string, string>,
  onLog: () => {},
});
console.log(gateway.url);
