// Real nodes and workers on one SQLite file, started and ended by a test.

import { spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const CHECKOUT = fileURLToPath(new URL("../../..", import.meta.url));
const PYTHON = process.env.STREAMER_PYTHON ?? join(CHECKOUT, ".venv/bin/python");
const SECRET = "a secret that is long enough for HS256";
const MODULES = { node: "app", worker: "workers" };
const READY = { node: "node_ready", worker: "worker_ready" };

/** A token of ann of acme, with all permissions. */
export function token({ sub = "ann", seconds = 3_600, ...claims } = {}) {
  const exp = Math.floor(Date.now() / 1000) + seconds;
  const parts = [{ alg: "HS256", typ: "JWT" }, { sub, tenant_id: "acme", permissions: ["*"], exp, jti: crypto.randomUUID(), ...claims }];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** One running process. */
class Process {
  #events = [];
  #waiting = [];

  constructor(child) {
    this.child = child;
    this.ended = new Promise((resolve) => child.once("exit", resolve));
    createInterface({ input: child.stdout }).on("line", (line) => this.#take(line));
  }

  #take(line) {
    let event;
    try {
      event = JSON.parse(line);
    } catch {
      return;
    }
    this.#events.push(event);
    this.#waiting = this.#waiting.filter(({ name, resolve }) => name !== event.event || resolve(event));
  }

  /** Resolves with such a log event, once there is one. */
  logged(name) {
    const found = this.#events.find((event) => event.event === name);
    const ended = this.ended.then((code) => {
      throw new Error(`it ended with ${code} before ${name}`);
    });
    return found ? Promise.resolve(found) : Promise.race([ended, new Promise((resolve) => this.#waiting.push({ name, resolve }))]);
  }

  kill(signal) {
    this.child.kill(signal);
    return this.ended;
  }
}

export class House {
  #processes = [];

  static async open(t) {
    const house = new House();
    house.folder = await mkdtemp(join(tmpdir(), "streamer-"));
    t.after(() => house.close());
    return house;
  }

  async start(kind, env = {}) {
    const child = spawn(PYTHON, ["-m", MODULES[kind]], {
      cwd: this.folder,
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        PATH: process.env.PATH,
        PYTHONPATH: CHECKOUT,
        STREAMER_LOG_FORMAT: "json",
        STREAMER_STORE: `sqlite:///${this.folder}/streamer.db`,
        STREAMER_JWT_SECRET: SECRET,
        STREAMER_CLUSTER_KEY_ID: "test",
        STREAMER_CLUSTER_SECRET: "a cluster secret for tests",
        STREAMER_ACTIONS: "tests.support.acme",
        STREAMER_PORT: "0",
        STREAMER_INTERNAL_PORT: "0",
        STREAMER_WORKER_PORT: "0",
        STREAMER_SESSION_BEAT_S: "0.5",
        STREAMER_SESSION_DEAD_S: "2",
        STREAMER_SWEEP_S: "0.5",
        STREAMER_RETRY_BASE_S: "0.2",
        STREAMER_DRAIN_S: "2",
        STREAMER_GRACE_S: "2",
        ...env,
      },
    });
    const process_ = new Process(child);
    this.#processes.push(process_);
    process_.url = (await process_.logged("listening")).url;
    await process_.logged(READY[kind]);
    return process_;
  }

  async close() {
    for (const each of this.#processes.reverse()) {
      await each.kill("SIGTERM");
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
