// One socket: calls, submissions, cancels, pings, and what is refused here.

import assert from "node:assert/strict";
import test from "node:test";
import WebSocket from "ws";
import { CannotConnect, connect, ConnectionLost, HandshakeRefused, RequestFailed } from "../dist/index.js";
import { acknowledgment, all, chunk, complete, progress, refusal, response, ScriptedClock, ScriptedNode, session } from "./scripted.mjs";

test("call sends one request and resolves with its data", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const answer = client.call("echo", { a: 1 }, { id: "r", options: { mode: "inline" }, metadata: { b: 2 } });
  assert.deepEqual(await node.heard(), {
    type: "request",
    id: "r",
    action: "echo",
    payload: { a: 1 },
    options: { mode: "inline" },
    metadata: { b: 2 },
  });
  node.say(response("r", { ok: true }));
  assert.deepEqual(await answer, { ok: true });
});

test("an id is made where none is given, and sorts by its time", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const first = client.submit("echo");
  assert.match(first.requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const ms = Number.parseInt(first.requestId.replaceAll("-", "").slice(0, 12), 16);
  assert.ok(Math.abs(ms - Date.now()) < 60_000);
});

test("submit gives the events of a job, the outcome last", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const submission = client.submit("report", {}, { id: "r" });
  const events = all(submission);
  await node.heard();
  node.say(acknowledgment("r"), progress("r", 1, 50), chunk("r", 0, { seq: 2 }), complete("r", 3, "done", 1));
  assert.deepEqual((await events).map((event) => event.type), ["acknowledgment", "progress", "chunk", "complete"]);
  assert.equal(await submission.result(), "done");
  assert.equal(submission.jobId, "j");
  assert.equal(submission.chunks, 1);
  assert.equal(submission.done, true);
});

test("answers may overtake each other", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const [first, second] = [client.call("echo", 1, { id: "a" }), client.call("echo", 2, { id: "b" })];
  await node.heard();
  await node.heard();
  node.say(response("b", 2), response("a", 1));
  assert.deepEqual(await Promise.all([first, second]), [1, 2]);
});

test("a failed request rejects with what the server said", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const answer = client.call("echo", null, { id: "r" });
  await node.heard();
  node.say(refusal("RATE_LIMITED", "r", 250));
  await assert.rejects(answer, (error) => {
    assert.ok(error instanceof RequestFailed);
    assert.deepEqual([error.code, error.retryable, error.afterMs, error.requestId], ["RATE_LIMITED", true, 250, "r"]);
    return true;
  });
});

test("a call that takes too long is forgotten, and its id can be asked for again", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const client = await session(t, node, { clock });
  const late = client.call("echo", 1, { id: "r", timeoutMs: 700 });
  await node.heard();
  await clock.sleeping(700);
  clock.advance(700);
  await assert.rejects(late, { name: "TimeoutError" });
  const again = client.call("echo", 1, { id: "r" });
  await node.heard();
  node.say(response("r", 1));
  assert.equal(await again, 1);
});

test("what is wrong is refused here: an open id, no id, no JSON", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  client.submit("echo", 1, { id: "r" });
  await node.heard();
  assert.throws(() => client.submit("echo", 1, { id: "r" }), TypeError);
  assert.throws(() => client.submit("echo", 1, { id: "not an id" }), /is not an id/);
  assert.throws(() => client.submit("echo", 1n, { id: "s" }), TypeError);
  assert.equal(node.unheard, 0);
});

test("an aborted signal cancels the request at the server, and ends it here at once", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const abort = new AbortController();
  const submission = client.submit("report", {}, { id: "r", signal: abort.signal });
  const events = all(submission);
  await node.heard();
  node.say(acknowledgment("r"), progress("r", 1));
  for await (const event of submission) {
    if (event.type === "progress") break;
  }
  abort.abort();
  await assert.rejects(submission.result(), { name: "AbortError" });
  await events;
  assert.deepEqual(await node.heard(), { type: "cancel", request_id: "r" });
});

test("a cancel for which the node has no time is said again", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const client = await session(t, node, { clock });
  const abort = new AbortController();
  const submission = client.submit("report", {}, { id: "r", signal: abort.signal });
  await node.heard();
  node.say(acknowledgment("r"));
  await submission[Symbol.asyncIterator]().next();
  abort.abort(new Error("enough"));
  await assert.rejects(submission.result(), /enough/);
  await node.heard();
  node.say(refusal("RATE_LIMITED", "r", 300));
  await clock.sleeping(300);
  clock.advance(300);
  assert.deepEqual(await node.heard(), { type: "cancel", request_id: "r" });
});

test("a signal that was aborted before sends nothing", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  assert.throws(() => client.submit("echo", 1, { signal: AbortSignal.abort() }), { name: "AbortError" });
  await assert.rejects(client.call("echo", 1, { signal: AbortSignal.abort() }), { name: "AbortError" });
  const ping = client.ping();
  assert.equal((await node.heard()).type, "ping");
  node.say({ type: "pong", id: 1 });
  assert.equal(await ping, 0);
});

test("cancel resolves when the server has heard it, and the outcome tells what came of it", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const submission = client.submit("report", {}, { id: "r" });
  const cancelled = submission.cancel();
  assert.equal((await node.heard()).type, "request");
  assert.deepEqual(await node.heard(), { type: "cancel", request_id: "r" });
  node.say(acknowledgment("r"), { type: "cancelling", request_id: "r", status: "PROCESSING", timestamp: 1 });
  await cancelled;
  node.say({ ...refusal("CANCELLED", "r"), final: true });
  await assert.rejects(submission.result(), { code: "CANCELLED" });
  await submission.cancel(); // there is nothing left to cancel
});

test("frames and fields that nobody knows are passed over", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const answer = client.call("echo", 1, { id: "r" });
  await node.heard();
  node.say({ type: "novelty" }, progress("somebody", 1), { ...response("r", 1), novelty: true });
  assert.equal(await answer, 1);
});

test("every frame is shown to whoever asks, tokens left out", async (t) => {
  const node = await ScriptedNode.listening(t);
  const shown = [];
  const tokens = ["one", "two"];
  await session(t, node, { token: () => tokens.shift(), onFrame: (direction, frame) => shown.push([direction, frame]) });
  node.say({ type: "token_expiring", expires_at: 1 });
  assert.deepEqual(await node.heard(), { type: "auth", token: "two" });
  assert.deepEqual(shown.map(([direction, frame]) => [direction, frame.type]), [
    ["received", "welcome"],
    ["received", "token_expiring"],
    ["sent", "auth"],
  ]);
  assert.ok(!JSON.stringify(shown).includes("two"));
});

test("closing sends what was submitted, and rejects what is open", async (t) => {
  const node = await ScriptedNode.listening(t);
  const client = await session(t, node);
  const open = client.call("echo", 1, { id: "r" });
  await Promise.all([client.close(), assert.rejects(open, ConnectionLost)]);
  assert.equal((await node.heard()).id, "r");
  assert.equal(client.state.name, "ended");
  assert.throws(() => client.submit("echo"), ConnectionLost);
  await assert.rejects(client.ping(), ConnectionLost);
});

test("the token goes into the subprotocols, and the version is what is asked for", async (t) => {
  const node = await ScriptedNode.listening(t);
  await session(t, node, { token: "a.b.c" });
  assert.deepEqual(node.offered, ["streamer.v1,bearer.a.b.c"]);
});

test("a refusal has the node's code", async (t) => {
  const node = await ScriptedNode.listening(t);
  for (const [code, name] of [[4500, "UNAUTHORIZED"], [4503, "FORBIDDEN"], [4504, "SERVICE_UNAVAILABLE"], [1012, "SERVICE_UNAVAILABLE"], [4429, "RATE_LIMITED"]]) {
    node.closes.push(code);
    await assert.rejects(connect(node.url, { WebSocket }), (error) => {
      assert.ok(error instanceof HandshakeRefused);
      assert.deepEqual([error.code, error.closeCode], [name, code]);
      return true;
    });
  }
});

test("nobody listening, something else, and silence are one sentence each", async (t) => {
  const node = await ScriptedNode.listening(t);
  await assert.rejects(connect("ws://127.0.0.1:1", { WebSocket }), CannotConnect);
  await assert.rejects(connect("gopher://x", { WebSocket }), /is not a URL that begins with/);
  await assert.rejects(connect("nonsense", { WebSocket }), /is not a URL that begins with/);
  node.first = { type: "hello" };
  await assert.rejects(connect(node.url, { WebSocket }), /does not speak streamer\.v1/);
  node.first = undefined;
  const clock = new ScriptedClock();
  const silent = connect(node.url, { WebSocket, clock, openTimeoutMs: 500 });
  await clock.sleeping(500);
  clock.advance(500);
  await assert.rejects(silent, /did not answer within 500 ms/);
  node.protocol = false;
  node.first = undefined;
  await assert.rejects(connect(node.url, { WebSocket }), CannotConnect);
});

test("without a WebSocket it says what to pass", async (t) => {
  const found = globalThis.WebSocket;
  globalThis.WebSocket = undefined;
  t.after(() => { globalThis.WebSocket = found; });
  await assert.rejects(connect("ws://127.0.0.1:1"), /pass the class of the package `ws`/);
});

test("a token that cannot be made, or does not come, is one sentence", async (t) => {
  const node = await ScriptedNode.listening(t);
  const broken = () => { throw new Error("the issuer is away"); };
  await assert.rejects(connect(node.url, { WebSocket, token: broken }), /There is no token: Error: the issuer is away/);
  const clock = new ScriptedClock();
  const never = connect(node.url, { WebSocket, clock, openTimeoutMs: 500, token: () => new Promise(() => undefined) });
  await clock.sleeping(500);
  clock.advance(500);
  await assert.rejects(never, /There was no token within 500 ms/);
});
