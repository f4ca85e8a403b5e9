// What is open when a socket is lost, what is asked of the next node, and what is told twice to nobody.

import assert from "node:assert/strict";
import test from "node:test";
import { acknowledgment, all, chunk, complete, ofJob, progress, refusal, response, ScriptedClock, ScriptedNode, session } from "./scripted.mjs";

const kinds = (events) => events.map((event) => (event.type === "chunk" ? event.data : event.type));

async function acknowledged(t, options) {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node, options);
  const submission = client.submit("report", {}, { id: "r" });
  const events = all(submission);
  events.catch(() => undefined); // a test may end while it is read
  await node.heard();
  node.say(acknowledgment("r"));
  return { node, client, submission, events };
}

/** Resolves when the client has taken all that was said. */
async function hasHeard(client, node) {
  const ping = client.ping();
  const { id } = await node.heard();
  node.say({ type: "pong", id });
  await ping;
}

test("cut before the acknowledgment, the request is sent again", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const result = client.call("report", { a: 1 }, { id: "r" });
  const sent = await node.heard();
  await node.cut();
  await node.resumed();
  assert.deepEqual(await node.heard(), sent);
  node.say(acknowledgment("r"), complete("r", 1, "done"));
  assert.equal(await result, "done");
});

test("cut after the acknowledgment, the job is resumed", async (t) => {
  const { node, submission, client } = await acknowledged(t);
  await hasHeard(client, node);
  await node.cut();
  assert.deepEqual(await node.resumed("r"), {
    type: "resume",
    connection_id: "boot.abc",
    n: 1,
    requests: [{ request_id: "r", attempt: 0, seq: 0, chunks: 0 }],
  });
  node.say(complete("r", 1, "done"));
  assert.equal(await submission.result(), "done");
});

test("cut between chunks, they go on, and repeats are not told", async (t) => {
  const { node, client, events } = await acknowledged(t);
  node.say(progress("r", 1), chunk("r", 0, { seq: 2 }), chunk("r", 1, { seq: 3 }));
  await hasHeard(client, node);
  await node.cut();
  const { requests } = await node.resumed("r");
  assert.deepEqual(requests, [{ request_id: "r", attempt: 1, seq: 3, chunks: 2 }]);
  node.say(progress("r", 1), chunk("r", 1, { seq: 3 }), chunk("r", 2, { seq: 4 }), complete("r", 5, null, 3));
  assert.deepEqual(kinds(await events), ["acknowledgment", "progress", 0, 1, 2, "complete"]);
});

test("an attempt that fails takes its chunks back, whoever was cut meanwhile", async (t) => {
  const { node, client, submission, events } = await acknowledged(t);
  node.say(chunk("r", 0, { seq: 1 }), chunk("r", 1, { seq: 2 }));
  await hasHeard(client, node);
  await node.cut();
  await node.resumed("r");
  const retrying = ofJob("retrying", "r", 3, { error: { code: "WORKER_LOST" }, retry_at: 1, continues_from: 1 });
  node.say(retrying, retrying, chunk("r", 1, { attempt: 2, seq: 1, data: "again" }));
  await hasHeard(client, node);
  assert.equal(submission.chunks, 2);
  node.say(complete("r", 2, null, 2));
  assert.deepEqual(kinds(await events), ["acknowledgment", 0, 1, "retrying", "again", "complete"]);
});

test("cut after the outcome, nothing is asked for", async (t) => {
  const { node, submission } = await acknowledged(t);
  node.say(complete("r", 1, "done"));
  await submission.result();
  await node.cut();
  assert.deepEqual((await node.resumed()).requests, []);
});

test("cut before `resumed`, it is said again with a greater count", async (t) => {
  const { node, client } = await acknowledged(t);
  await hasHeard(client, node);
  await node.cut();
  assert.equal((await node.heard()).n, 1);
  await node.cut();
  assert.equal((await node.resumed("r")).n, 2);
});

test("nothing else is said before the node knows who it is", async (t) => {
  const { node, client } = await acknowledged(t);
  await hasHeard(client, node);
  await node.cut();
  assert.equal((await node.heard()).type, "resume");
  const answer = client.call("echo", 1, { id: "new" });
  node.say({ type: "resumed", connection_id: "boot.abc", requests: [{ request_id: "r" }] });
  assert.equal((await node.heard()).id, "new");
  node.say(response("new", 1));
  assert.equal(await answer, 1);
});

test("many are resumed five hundred at a time", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  for (let i = 0; i < 1_001; i++) {
    client.submit("report", {}, { id: `r${i}` });
    await node.heard();
    node.say(acknowledgment(`r${i}`));
  }
  await hasHeard(client, node);
  await node.cut();
  const sizes = [];
  for (const _ of [1, 2, 3]) {
    const frame = await node.heard();
    sizes.push(frame.requests.length);
    node.say({ type: "resumed", requests: frame.requests.map(({ request_id }) => ({ request_id })) });
  }
  assert.deepEqual(sizes, [500, 500, 1]);
});

test("a cancel that was not answered is sent again, once the job is found", async (t) => {
  const { node, submission, client } = await acknowledged(t);
  await hasHeard(client, node);
  const cancelled = submission.cancel();
  await node.heard();
  await node.cut();
  await node.resumed("r");
  assert.deepEqual(await node.heard(), { type: "cancel", request_id: "r" });
  node.say({ type: "cancelling", request_id: "r", status: "PROCESSING", timestamp: 1 });
  await cancelled;
});

test("a request that is not there any more has failed", async (t) => {
  const { node, submission, client } = await acknowledged(t);
  await hasHeard(client, node);
  await node.cut();
  await node.resumed();
  node.say(refusal("NOT_FOUND", "r"));
  await assert.rejects(submission.result(), { code: "NOT_FOUND" });
});

test("what cannot be answered now is asked for again when the node says", async (t) => {
  const clock = new ScriptedClock();
  const { node, submission, client } = await acknowledged(t, { clock });
  await hasHeard(client, node);
  await node.cut();
  await node.heard();
  node.say(refusal("STORAGE_ERROR", undefined, 400));
  await clock.sleeping(400);
  clock.advance(400);
  await node.resumed("r");
  node.say(complete("r", 1, "done"));
  assert.equal(await submission.result(), "done");
});

test("one request that cannot be read now is asked for alone", async (t) => {
  const clock = new ScriptedClock();
  const { node, submission, client } = await acknowledged(t, { clock });
  await hasHeard(client, node);
  await node.cut();
  await node.resumed();
  node.say(refusal("STORAGE_ERROR", "r", 400));
  await clock.sleeping(400);
  clock.advance(400);
  const again = await node.resumed("r");
  assert.deepEqual([again.connection_id, again.requests.length], [undefined, 1]);
  node.say(complete("r", 1, "done"));
  assert.equal(await submission.result(), "done");
});

test("a node that does not resume is taken as it is", async (t) => {
  const { node, submission, client } = await acknowledged(t);
  await hasHeard(client, node);
  node.first = { ...node.first, connection_id: "other.def" };
  await node.cut();
  await node.heard();
  node.say(refusal("INVALID_MESSAGE"));
  await assert.rejects(submission.result(), { code: "INVALID_MESSAGE" });
  assert.equal(client.connectionId, "other.def");
});

test("a node that owes the answer to a resume is left after a minute", async (t) => {
  const clock = new ScriptedClock();
  const { node, client } = await acknowledged(t, { clock });
  await hasHeard(client, node);
  const warned = t.mock.method(console, "warn", () => undefined);
  await node.cut();
  await node.heard();
  await clock.sleeping(60_000);
  clock.advance(60_000);
  await node.joined.next();
  assert.match(warned.mock.calls[0].arguments[0], /owes an answer/);
});

test("chunks that have expired are said, and the rest comes", async (t) => {
  const { node, submission, client } = await acknowledged(t);
  await hasHeard(client, node);
  const warned = t.mock.method(console, "warn", () => undefined);
  await node.cut();
  await node.heard();
  node.say({ type: "resumed", requests: [{ request_id: "r", recovered: false }] }, complete("r", 9, "done", 5));
  assert.equal(await submission.result(), "done");
  assert.match(warned.mock.calls[0].arguments[0], /some chunks of request r have expired/);
});

test("a request of an earlier life gives everything, and can be cancelled once it is found", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const submission = client.resume("old");
  const events = all(submission);
  const cancelled = submission.cancel();
  assert.deepEqual(await node.resumed("old"), {
    type: "resume",
    requests: [{ request_id: "old", attempt: 0, seq: 0, chunks: 0 }],
  });
  assert.equal((await node.heard()).type, "cancel");
  node.say(chunk("old", 0), complete("old", 2, null, 1));
  await cancelled;
  assert.deepEqual(kinds(await events), [0, "complete"]);
});

test("what was aborted while it was away, and never sent, is forgotten", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const abort = new AbortController();
  node.socket.terminate();
  while (client.state.name === "connected") await new Promise(setImmediate);
  const never = client.call("echo", 1, { id: "never", signal: abort.signal });
  abort.abort();
  await assert.rejects(never, { name: "AbortError" });
  await node.joined.next();
  await node.resumed();
  const answer = client.call("echo", 1, { id: "next" });
  assert.equal((await node.heard()).id, "next");
  node.say(response("next", 1));
  await answer;
});

test("what was aborted while it was away, and runs, is cancelled at the next node", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const abort = new AbortController();
  const submission = client.submit("report", {}, { id: "r", signal: abort.signal });
  await node.heard();
  node.say(acknowledgment("r"));
  await hasHeard(client, node);
  node.socket.terminate();
  while (client.state.name === "connected") await new Promise(setImmediate);
  abort.abort();
  await assert.rejects(submission.result(), { name: "AbortError" });
  await node.joined.next();
  await node.resumed("r");
  assert.deepEqual(await node.heard(), { type: "cancel", request_id: "r" });
});
