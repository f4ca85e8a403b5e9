// What a browser tells: the network is back, the page is looked at again.

import assert from "node:assert/strict";
import test from "node:test";
import { listen } from "../dist/page.js";
import { ScriptedClock, ScriptedNode, session, WELCOME } from "./scripted.mjs";

function page() {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  return Object.assign(new EventTarget(), { document });
}

test("it listens until it is told not to", () => {
  const browser = page();
  const heard = [];
  const stop = listen(() => heard.push("wake"), () => heard.push("doubt"), browser);
  const tell = () => {
    browser.dispatchEvent(new Event("online"));
    browser.dispatchEvent(new Event("offline"));
    browser.dispatchEvent(new Event("pageshow"));
    browser.document.dispatchEvent(new Event("visibilitychange"));
  };
  tell();
  assert.deepEqual(heard, ["wake", "doubt", "wake", "wake"]);
  browser.document.visibilityState = "hidden";
  tell();
  assert.deepEqual(heard.slice(4), ["wake", "doubt"], "a page that nobody looks at can wait");
  stop();
  tell();
  assert.equal(heard.length, 6);
});

/** A session in a page; the page goes with it. */
async function inPage(t, node, clock) {
  const browser = page();
  globalThis.document = browser.document;
  const original = globalThis.addEventListener;
  globalThis.addEventListener = browser.addEventListener.bind(browser);
  globalThis.removeEventListener = browser.removeEventListener.bind(browser);
  const client = await session(t, node, { clock });
  t.after(() => {
    delete globalThis.document;
    globalThis.addEventListener = original;
    delete globalThis.removeEventListener;
  });
  return { browser, client };
}

test("a session that is away tries at once when the network is back", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  node.first = { ...WELCOME, reconnect: { min_ms: 15_000, max_ms: 15_000 } };
  const { browser } = await inPage(t, node, clock);
  node.socket.terminate();
  await clock.sleeping(15_000);
  browser.dispatchEvent(new Event("online"));
  await node.joined.next();
  await node.resumed();
});

test("one that has a socket asks for a sign of life when the network is said to be gone, and leaves a node that gives none", async (t) => {
  const node = await ScriptedNode.listening(t);
  const clock = new ScriptedClock();
  const { browser } = await inPage(t, node, clock);
  browser.dispatchEvent(new Event("offline"));
  assert.deepEqual(await node.heard(), { type: "ping" });
  await clock.sleeping(10_000);
  clock.advance(10_000);
  await node.joined.next();
});
