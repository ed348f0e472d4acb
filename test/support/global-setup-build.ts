import { buildWorker } from "../../src/cli/gateway.ts";

/** Whatever is tested from outside is what would be deployed. */
export default () => buildWorker();
