// From socket to socket: when it comes back, when it does not, and how it spreads its tries.

import assert from "node:assert/strict";
import test from "node:test";
import { ConnectionLost } from "../dist/index.js";
import { acknowledgment, Arrivals, complete, response, ScriptedClock, ScriptedNode, session, WELCOME } from "./scripted.mjs";

async function isServed(client, node) {
  const answer = client.call("echo", 1);
  const { id } = await node.heard();
  node.say(response(id, 1));
  assert.equal(await answer, 1);
}

for (const code of [1001, 1011, 1012, 1013, 4000, 4429]) {
  test(`it comes back after ${code}`, async (t) => {
    const node = await ScriptedNode.listening(t);
    const client = await session(t, node);
    node.socket.close(code);
    await node.joined.next();
    await node.resumed();
    await isServed(client, node);
  });
}

for (const code of [1000, 1002, 1003, 1007, 1008, 1009, 4401, 4500, 4503, 4504, 4999]) {
  test(`${code} ends it, and what is open`, async (t) => {
    const node = await ScriptedNode.listening(t);
    const client = await session(t, node, { token: "a" });
    const open = client.call("echo", 1);
    await node.heard();
    node.socket.close(code, "why");
    await assert.rejects(open, { name: "ConnectionLost", code, reason: "why" });
    assert.deepEqual(client.state, { name: "ended", code, reason: "why" });
    assert.equal((await client.ended).code, code);
  });
}

test("it tells where it is, each time that changes", async (t) => {
  const node = await ScriptedNode.listening(t);
  const states = [];
  const client = await session(t, node, { onState: ({ name }) => states.push(name) });
  await node.cut();
  await node.resumed();
  await isServed(client, node);
  await client.close();
  assert.deepEqual(states, ["connecting", "connected", "away", "connecting", "resuming", "connected", "ended"]);
});

test("it comes back as often as it takes, and counts", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  for (const n of [1, 2, 3]) {
    await node.cut();
    assert.deepEqual(await node.resumed(), { type: "resume", connection_id: "boot.abc", n, requests: [] });
    await isServed(client, node);
  }
});

test("what is submitted while it is away is sent once it is known again", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  node.socket.terminate();
  while (client.state.name === "connected") await new Promise(setImmediate);
  const answer = client.call("echo", 1, { id: "r" });
  await node.joined.next();
  assert.equal(node.unheard <= 1, true);
  await node.resumed();
  assert.equal((await node.heard()).id, "r");
  node.say(response("r", 1));
  assert.equal(await answer, 1);
});

test("the first try is in the window of the welcome, and the later ones get rarer up to 20 s", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  node.first = { ...WELCOME, reconnect: { min_ms: 0, max_ms: 3_000 } };
  await session(t, node, { clock });
  node.closes = Array(8).fill(1012);
  await node.cut();
  await node.resumed();
  const pauses = [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000].map((ms) => [0, ms]);
  assert.deepEqual(clock.windows, [[0, 3_000], ...pauses]);
});

test("a node that takes it in and drops it is no reason to hurry", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  await session(t, node, { clock });
  await node.cut();
  await node.heard(); // its resume, which is not answered
  await node.cut();
  await node.heard();
  await node.cut();
  assert.deepEqual(clock.windows, [[0, 0], [0, 1_000], [0, 2_000]]);
});

test("it gives up when it was away for too long", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  clock.between = (_, high) => high;
  const client = await session(t, node, { clock, giveUpAfterMs: 2_500 });
  node.closes = Array(9).fill(1012);
  const ended = client.ended;
  node.socket.terminate();
  await clock.sleeping(1_000);
  clock.advance(1_000);
  const lost = await ended;
  assert.ok(lost instanceof ConnectionLost);
  assert.equal(lost.reason, "gave up after 2500 ms");
  assert.equal(lost.cause.code, "SERVICE_UNAVAILABLE");
});

test("without reconnecting the first loss is the end", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node, { reconnect: false });
  const open = client.submit("report", 1, { id: "r" });
  await node.heard();
  node.socket.terminate();
  await assert.rejects(open.result(), { name: "ConnectionLost", code: 1006 });
  await assert.rejects(async () => { for await (const event of open) assert.fail(event.type); }, ConnectionLost);
});

test("a rejected token is the end where it is a string, and asked for again where it is made", async (t) => {
  const node = await ScriptedNode.listening(t);
  const fixed = await session(t, node, { token: "a" });
  node.closes = [4500];
  node.socket.terminate();
  assert.equal((await fixed.ended).code, 4500);
  let made = 0;
  await session(t, node, { token: () => `t${made++}` });
  node.closes = [4500];
  await node.cut();
  await node.resumed();
  assert.deepEqual(node.offered.slice(-3), ["streamer.v1,bearer.t0", "streamer.v1,bearer.t1", "streamer.v1,bearer.t2"]);
});

test("4401 is answered with a new token, and the job goes on", async (t) => {
  const node = await ScriptedNode.listening(t);
  let made = 0;
  const client = await session(t, node, { token: () => `t${made++}` });
  const result = client.call("report", {}, { id: "r" });
  await node.heard();
  node.say(acknowledgment("r"));
  node.socket.close(4401);
  await node.joined.next();
  assert.equal(node.offered.at(-1), "streamer.v1,bearer.t1");
  await node.resumed("r");
  node.say(complete("r", 1, "done"));
  assert.equal(await result, "done");
});

test("a forbidden one is the end, whatever makes its tokens", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node, { token: () => "a" });
  node.closes = [4503];
  node.socket.terminate();
  assert.equal((await client.ended).code, 4503);
});

test("tokens that cannot be made for a while are waited for", async (t) => {
  const node = await ScriptedNode.listening(t);
  let made = 0;
  const make = () => {
    made += 1;
    if (made === 2 || made === 3) throw new Error("away");
    return `t${made}`;
  };
  const client = await session(t, node, { token: make });
  await node.cut();
  await node.resumed();
  await isServed(client, node);
  assert.equal(node.offered.at(-1), "streamer.v1,bearer.t4");
});

test("it can be closed while it is away", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  node.first = { ...WELCOME, reconnect: { min_ms: 9_000, max_ms: 9_000 } };
  const client = await session(t, node, { clock });
  const open = client.call("echo", 1);
  await node.heard();
  node.socket.terminate();
  await clock.sleeping(9_000);
  assert.equal(client.state.name, "away");
  await Promise.all([client.close(), assert.rejects(open, ConnectionLost)]);
});

test("it can be closed while its next token does not come", async (t) => {
  const node = await ScriptedNode.listening(t);
  const asked = new Arrivals();
  const make = () => (node.offered.length === 0 ? "a" : new Promise(() => asked.put(true)));
  const client = await session(t, node, { token: make, clock: new ScriptedClock() });
  node.socket.terminate();
  await asked.next();
  await client.close();
  assert.equal(client.state.name, "ended");
});

test("a server that sends no JSON is left for good", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  node.say("nonsense");
  assert.equal((await client.ended).code, 1007);
});
