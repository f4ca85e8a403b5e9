// The client against real nodes and workers.

import assert from "node:assert/strict";
import { createServer, connect as dial } from "node:net";
import { once } from "node:events";
import test from "node:test";
import WebSocket from "ws";
import { connect, HandshakeRefused } from "../dist/index.js";
import { House, token } from "./house.mjs";
import { all } from "./scripted.mjs";

const REPORT = { start_date: "2024-01-01", end_date: "2024-01-31", format: "pdf", duration_s: 0.2 };

/** An address that stays, in front of nodes that do not. */
class Switch {
  #sockets = new Set();

  static async listening(t, targets) {
    const self = new Switch();
    self.targets = targets.map((url) => new URL(url).port);
    self.server = createServer((client) => self.#pass(client)).listen(0, "127.0.0.1");
    await once(self.server, "listening");
    self.url = `ws://127.0.0.1:${self.server.address().port}`;
    t.after(() => {
      self.cut();
      self.server.close();
    });
    return self;
  }

  #pass(client) {
    const port = this.targets.shift();
    this.targets.push(port);
    const node = dial(port, "127.0.0.1");
    for (const [socket, other] of [[client, node], [node, client]]) {
      this.#sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy()).on("close", () => { other.destroy(); this.#sockets.delete(socket); });
    }
  }

  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

test("one node and one worker", async (t) => {
  const house = await House.open(t);
  const [node] = await Promise.all([house.start("node", { STREAMER_TOKEN_GRACE_S: "5" }), house.start("worker")]);
  const session = await connect(node.url, { WebSocket, token: token() });
  t.after(() => session.close());

  await t.test("a call is answered, and a job streams its progress and its result", async () => {
    assert.deepEqual((await session.call("echo", { message: "hi" })).echo, { message: "hi" });
    const events = await all(session.submit("generate_report", REPORT));
    assert.equal(events[0].type, "acknowledgment");
    assert.equal(events.at(-2).percentage, 100);
    const { url, size, rows } = events.at(-1).result;
    assert.deepEqual([typeof url, typeof size, typeof rows], ["string", "number", "number"]);
  });

  await t.test("the same id is the same job", async () => {
    const first = session.submit("steps", { steps: 1, say: "once" }, { id: "same" });
    const result = await first.result();
    assert.deepEqual(await session.call("steps", { steps: 1, say: "once" }, { id: "same" }), result);
    await assert.rejects(session.call("steps", { steps: 2 }, { id: "same" }), { code: "DUPLICATE_REQUEST" });
  });

  await t.test("bad input is refused in the protocol's words", async () => {
    await assert.rejects(session.call("nonsense"), { code: "INVALID_ACTION" });
    await assert.rejects(session.call("steps", { steps: -1 }), (error) => error.code === "VALIDATION_ERROR" && error.details.errors.length === 1);
  });

  await t.test("an aborted job ends as cancelled at the server", async () => {
    const abort = new AbortController();
    const submission = session.submit("steps", { steps: 1_000, step_s: 0.1 }, { id: "long", signal: abort.signal });
    for await (const event of submission) if (event.type === "progress") break;
    abort.abort();
    await assert.rejects(submission.result(), { name: "AbortError" });
    const other = await connect(node.url, { WebSocket, token: token() });
    await assert.rejects(other.resume("long").result(), { code: "CANCELLED" });
    await other.close();
  });

  await t.test("somebody else of the tenant watches a job", async () => {
    const submission = session.submit("stream", { chunks: 20, chunk_s: 0.05 });
    for await (const event of submission) if (event.type === "chunk") break;
    const other = await connect(node.url, { WebSocket, token: token({ sub: "bob" }) });
    const seen = await all(other.watch(submission.jobId));
    assert.deepEqual(seen.filter(({ type }) => type === "chunk").map(({ index }) => index), Array.from({ length: 20 }, (_, i) => i));
    assert.equal(seen.at(-1).type, "complete");
    await other.close();
  });

  await t.test("a durable outcome is offered until it is acknowledged", async () => {
    await session.call("steps", { steps: 1 }, { id: "kept", options: { durable: true } });
    const offered = async () => {
      const other = await connect(node.url, { WebSocket, token: token() });
      const { inbox } = other;
      await other.close();
      return inbox.map(({ request_id }) => request_id);
    };
    assert.deepEqual(await offered(), ["kept"]);
    session.ack("kept");
    while ((await offered()).length > 0);
  });

  await t.test("a token that is about to expire is renewed on the open socket", async () => {
    let made = 0;
    const renewing = await connect(node.url, { WebSocket, token: () => token({ seconds: made++ === 0 ? 4 : 3_600 }) });
    const { connectionId, tokenExpiresAt } = renewing;
    await renewing.call("steps", { steps: 30, step_s: 0.15 });
    assert.equal(made, 2);
    assert.ok(renewing.tokenExpiresAt > tokenExpiresAt);
    assert.equal(renewing.connectionId, connectionId);
    await renewing.close();
  });

  await t.test("a refused token and somebody else's are final", async () => {
    await assert.rejects(connect(node.url, { WebSocket, token: "a.b.c" }), (error) => error instanceof HandshakeRefused && error.closeCode === 4500);
    let made = 0;
    const swapped = await connect(node.url, { WebSocket, token: () => token({ sub: made++ === 0 ? "ann" : "bob", seconds: made === 1 ? 4 : 3_600 }) });
    assert.equal((await swapped.ended).code, 4500);
  });
});

test("a job goes on through cuts, a drain, and a dead worker", async (t) => {
  const house = await House.open(t);
  const nodes = await Promise.all([house.start("node"), house.start("node")]);
  const workers = await Promise.all([house.start("worker"), house.start("worker")]);
  const front = await Switch.listening(t, nodes.map(({ url }) => url));
  const states = [];
  const session = await connect(front.url, { WebSocket, token: token(), onState: ({ name }) => states.push(name) });
  t.after(() => session.close());
  const output = [];
  let attempts = 1;
  for await (const event of session.submit("stream", { chunks: 120, chunk_s: 0.02, checkpoint_every: 10 })) {
    if (event.type === "retrying") {
      output.length = event.continues_from;
      attempts += 1;
    } else if (event.type === "chunk") {
      output.push(event.data.i);
      if (event.index === 20) front.cut();
      if (event.index === 40) void nodes[0].kill("SIGTERM");
      if (event.index === 60 && attempts === 1) workers[0].child.kill("SIGKILL");
      if (event.index === 80 && attempts === 1) workers[1].child.kill("SIGKILL"), void house.start("worker");
    }
  }
  assert.deepEqual(output, Array.from({ length: 120 }, (_, i) => i));
  assert.equal(attempts, 2);
  assert.ok(states.includes("away"));
});
