// node in_node.mjs URL TOKEN PAYLOAD: a line "piece" for each piece of output, then what there is, as JSON.

import { createRequire } from "node:module";
import { connect } from "../../../clients/typescript/dist/index.js";
import { stream } from "./stream.mjs";

const { WebSocket } = createRequire(new URL("../../../clients/typescript/", import.meta.url))("ws");
const [url, token, payload] = process.argv.slice(2);
const session = await connect(url, { token, WebSocket });
const heard = await stream(session, JSON.parse(payload), () => console.log("piece"));
await session.close();
console.log(JSON.stringify(heard));
