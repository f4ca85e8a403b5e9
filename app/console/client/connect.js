/** Opening a session. */
import { Clock } from "./clock.js";
import { address, Dialer } from "./dialer.js";
import { CannotConnect } from "./errors.js";
import { Keeper } from "./keeper.js";
import * as page from "./page.js";
import { Requests } from "./requests.js";
import { Session } from "./session.js";
import { Tokens } from "./tokens.js";
/**
 * A session with the service at `url` (`ws`, `wss`, `http` or `https`; the path defaults to `/ws`). Rejects with
 * CannotConnect where the first handshake fails, and HandshakeRefused with the node's close code.
 *
 * Later the session reconnects by itself, unless `reconnect` is false or the server does not want it back. `close` ends it;
 * requests that are open then are rejected with ConnectionLost.
 */
export async function connect(url, options = {}) {
    const { token, reconnect = true, giveUpAfterMs, openTimeoutMs = 10_000, clock = new Clock() } = options;
    const onState = options.onState ?? (() => undefined);
    const onFrame = options.onFrame ?? (() => undefined);
    const tokens = new Tokens(token, openTimeoutMs, clock);
    const dialer = new Dialer(tokens, address(url), socketClass(options.WebSocket), openTimeoutMs, onFrame, clock);
    onState({ name: "connecting" });
    const opened = await dialer.dial(new AbortController().signal);
    const requests = new Requests();
    const keeper = new Keeper(dialer, opened, requests, { reconnect, giveUpAfterMs, clock, onFrame, onState });
    const session = new Session(keeper, requests, clock);
    const stopListening = page.listen(() => keeper.hurry(), () => keeper.probe());
    void session.ended.then(stopListening, stopListening);
    return session;
}
function socketClass(given) {
    const found = given ?? globalThis.WebSocket;
    if (found === undefined) {
        throw new CannotConnect("There is no WebSocket here: pass the class of the package `ws` as the option WebSocket.");
    }
    return found;
}
