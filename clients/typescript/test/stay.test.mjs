// On one socket for long: heartbeats, tokens, drains, slow readers, the inbox, watching.

import assert from "node:assert/strict";
import test from "node:test";
import { acknowledgment, all, chunk, complete, progress, refusal, response, ScriptedClock, ScriptedNode, session, WELCOME } from "./scripted.mjs";

const expiring = { type: "token_expiring", expires_at: 60, timestamp: 1 };
const offer = (id) => ({ request_id: id, job_id: "j", status: "COMPLETED" });

test("a silent node is asked for a sign of life, and left where it gives none", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const client = await session(t, node, { clock });
  await clock.sleeping(20_000);
  clock.advance(20_000);
  assert.deepEqual(await node.heard(), { type: "ping" });
  node.say({ type: "pong" });
  await clock.sleeping(10_000);
  while (client.state.name !== "connected") await new Promise(setImmediate);
  await aTurn(client, node);
  clock.advance(10_000); // it gave a sign, so it is asked again only later
  await clock.sleeping(10_000);
  clock.advance(10_000);
  assert.deepEqual(await node.heard(), { type: "ping" });
  await clock.sleeping(10_000);
  clock.advance(10_000);
  await node.joined.next();
  assert.equal((await node.heard()).type, "resume");
});

async function aTurn(client, node) {
  const ping = client.ping();
  const { id } = await node.heard();
  node.say({ type: "pong", id });
  await ping;
}

test("a node that states no heartbeat may be silent", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  node.first = { ...WELCOME, heartbeat_ms: 0 };
  const client = await session(t, node, { clock });
  clock.advance(10_000_000);
  await aTurn(client, node);
  assert.equal(node.unheard, 0);
});

test("a fresh token goes to the node, and nothing waits for it", async (t) => {
  const node = await ScriptedNode.listening(t);
  const tokens = ["t0"];
  let give;
  const token = () => tokens.shift() ?? new Promise((resolve) => (give = resolve));
  const client = await session(t, node, { token });
  node.say(expiring, expiring);
  const answer = client.call("echo", 1, { id: "r" });
  await node.heard();
  node.say(response("r", 1));
  await answer;
  give("t1");
  assert.deepEqual(await node.heard(), { type: "auth", token: "t1" });
  node.say({ type: "authenticated", token_expires_at: 99 });
  await aTurn(client, node);
  assert.equal(client.tokenExpiresAt, 99);
  assert.equal(node.unheard, 0, "two warnings are one renewal");
});

test("an issuer that fails or repeats itself is asked again, a refused token is not sent again", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const made = ["t0", "t0", undefined, "bad", "bad", "t1"];
  const token = () => {
    const next = made.shift();
    if (next === undefined) throw new Error("away");
    return next;
  };
  await session(t, node, { clock, token });
  node.say(expiring);
  for (const ms of [250, 500]) {
    await clock.sleeping(ms);
    clock.advance(ms);
  }
  assert.deepEqual(await node.heard(), { type: "auth", token: "bad" });
  node.say(refusal("UNAUTHORIZED"));
  for (const ms of [1_000, 2_000]) {
    await clock.sleeping(ms);
    clock.advance(ms);
  }
  assert.deepEqual(await node.heard(), { type: "auth", token: "t1" });
});

test("a node that cannot judge now is given the same token again, when it says", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const made = ["t0", "t1", "t1"];
  await session(t, node, { clock, token: () => made.shift() });
  node.say(expiring);
  await node.heard();
  node.say(refusal("SERVICE_UNAVAILABLE", undefined, 7_000));
  await clock.sleeping(7_000);
  clock.advance(7_000);
  assert.deepEqual(await node.heard(), { type: "auth", token: "t1" });
});

test("who has no other token sends nothing", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node, { token: "a" });
  node.say(expiring);
  await aTurn(client, node);
  assert.equal(node.unheard, 0);
});

const drain = (low, high, deadline) => ({ type: "drain", reason: "deploy", reconnect_after_ms: [low, high], deadline_ms: deadline, timestamp: 1 });

test("it leaves in the window of a drain, and goes on elsewhere", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const client = await session(t, node, { clock });
  const result = client.call("report", {}, { id: "r" });
  await node.heard();
  node.say(acknowledgment("r"), drain(1_500, 5_000, 9_000));
  await clock.sleeping(1_500);
  assert.deepEqual(clock.windows, [[1_500, 5_000]]);
  clock.advance(1_500);
  await node.joined.next();
  await node.resumed("r");
  node.say(complete("r", 1, "done"));
  assert.equal(await result, "done");
});

test("it stays for an inline answer, and keeps what is new for the next node", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const client = await session(t, node, { clock });
  const inline = client.call("echo", 1, { id: "old" });
  await node.heard();
  node.say(drain(1_500, 1_500, 9_000));
  await clock.sleeping(1_500);
  clock.advance(1_500);
  await clock.sleeping(7_500);
  assert.equal(client.state.name, "leaving");
  const later = client.call("echo", 2, { id: "new" });
  node.say(response("old", 1));
  assert.equal(await inline, 1);
  await node.joined.next();
  await node.resumed();
  assert.equal((await node.heard()).id, "new");
  node.say(response("new", 2));
  assert.equal(await later, 2);
});

test("at the deadline it leaves, and asks the next node", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const client = await session(t, node, { clock });
  const inline = client.call("echo", 1, { id: "old" });
  await node.heard();
  node.say(drain(1_500, 1_500, 9_000));
  await clock.sleeping(1_500);
  clock.advance(1_500);
  await clock.sleeping(7_500);
  clock.advance(7_500);
  await node.joined.next();
  await node.resumed();
  assert.equal((await node.heard()).id, "old");
  node.say(response("old", 1));
  assert.equal(await inline, 1);
});

test("a session that is not to reconnect stays until the node closes", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node, { reconnect: false });
  node.say(drain(0, 0, 0));
  await aTurn(client, node);
  assert.equal(client.state.name, "connected");
});

test("a reader that is behind gives its socket up, and gets every chunk once when it has caught up", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const submission = client.submit("stream", {}, { id: "r" });
  const events = submission[Symbol.asyncIterator]();
  const read = [];
  await node.heard();
  node.say(acknowledgment("r"));
  await events.next();
  for (let i = 0; i < 1_200; i++) node.say(chunk("r", i));
  while (client.state.name === "connected") await new Promise(setImmediate);
  assert.deepEqual([client.state.name, client.state.reason], ["away", "a reader of this session is behind"]);
  while (read.length < 600) read.push((await events.next()).value.data);
  await node.joined.next();
  const { requests } = await node.resumed("r");
  assert.deepEqual(requests, [{ request_id: "r", attempt: 1, seq: 1_001, chunks: 1_001 }]);
  for (let i = 1_001; i < 1_200; i++) node.say(chunk("r", i));
  node.say(complete("r", 1_201, null, 1_200));
  for (let next = await events.next(); next.value.type === "chunk"; next = await events.next()) read.push(next.value.data);
  assert.deepEqual(read, Array.from({ length: 1_200 }, (_, i) => i));
  assert.equal(submission.dropped, 0);
});

test("while nobody iterates the newest thousand are kept, and nobody is held up", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const submission = client.submit("stream", {}, { id: "r" });
  await node.heard();
  node.say(acknowledgment("r"));
  for (let i = 0; i < 1_200; i++) node.say(chunk("r", i));
  node.say(complete("r", 1_201, "done", 1_200));
  assert.equal(await submission.result(), "done");
  assert.equal(submission.dropped, 202);
  assert.equal((await all(submission)).length, 1_000);
});

test("progress that nobody reads is coalesced", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const submission = client.submit("report", {}, { id: "r" });
  await node.heard();
  node.say(acknowledgment("r"));
  for (let i = 1; i <= 500; i++) node.say(progress("r", i, i / 5));
  node.say(complete("r", 501, "done"));
  await submission.result();
  const events = await all(submission);
  assert.equal(events.length, 65);
  assert.equal(events.at(-2).percentage, 100);
});

test("the inbox is what the node offers, less what was acknowledged; acknowledgments are said again", async (t) => {
  const node = await ScriptedNode.listening(t);
  node.first = { ...WELCOME, inbox: [offer("a"), offer("b")] };
  const client = await session(t, node);
  client.ack("a");
  assert.deepEqual(await node.heard(), { type: "ack", request_id: "a" });
  assert.deepEqual(client.inbox, [offer("b")]);
  await node.cut();
  await node.resumed();
  assert.deepEqual(await node.heard(), { type: "ack", request_id: "a" });
  assert.deepEqual(client.inbox, [offer("b")]);
});

test("an acknowledgment that is refused for now is said again", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  node.first = { ...WELCOME, inbox: [offer("a")] };
  const client = await session(t, node, { clock });
  client.ack("a");
  await node.heard();
  node.say(refusal("STORAGE_ERROR", "a", 300));
  await clock.sleeping(300);
  clock.advance(300);
  assert.deepEqual(await node.heard(), { type: "ack", request_id: "a" });
});

test("the events of a watched job come under its job id, also after a reconnect, until unwatch", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const watched = client.watch("j", { events: ["chunk"] });
  const events = all(watched);
  const wish = { type: "subscribe", job_id: "j", attempt: 0, seq: 0, chunks: 0, events: ["chunk"] };
  assert.deepEqual(await node.heard(), wish);
  node.say({ type: "subscribed", job_id: "j" }, chunk("j", 0));
  await aTurn(client, node);
  await node.cut();
  await node.resumed();
  assert.deepEqual(await node.heard(), { ...wish, attempt: 1, seq: 1, chunks: 1 });
  client.unwatch("j");
  assert.deepEqual(await node.heard(), { type: "unsubscribe", job_id: "j" });
  await assert.rejects(watched.result(), { name: "Unwatched" });
  assert.deepEqual((await events).map((event) => event.data), [0]);
});

test("a job that is not there has failed, and one's own request cannot be unwatched", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const watched = client.watch("j");
  await node.heard();
  node.say(refusal("NOT_FOUND", "j"));
  await assert.rejects(watched.result(), { code: "NOT_FOUND" });
  const own = client.submit("echo", 1, { id: "r" });
  assert.throws(() => own.unwatch(), TypeError);
});
