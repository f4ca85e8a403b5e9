/** What the server says, as it is on the wire. Types and fields that this version does not know are passed over. */

/** A frame of any type. */
export interface Frame {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Why something failed; `retry.after_ms` says when to try again, where it is retryable. */
export interface Problem {
  readonly code: string;
  readonly message?: string;
  readonly details?: unknown;
  readonly retry?: { readonly retryable: boolean; readonly after_ms?: number };
}

interface OfRequest {
  readonly request_id: string;
  /** The server's clock, in Unix seconds. */
  readonly timestamp: number;
}

interface OfJob extends OfRequest {
  readonly job_id: string;
  readonly attempt: number;
  readonly seq: number;
}

/** The job is stored and will have an outcome; `state` is where it stands (PENDING, PROCESSING, …). */
export interface Acknowledgment extends OfJob {
  readonly type: "acknowledgment";
  readonly status: "queued";
  readonly state: string;
  readonly message: string;
}

/** How far it is, from 0 to 100. The newest replaces the one before. An inline request has no `job_id`. */
export interface Progress extends OfRequest, Partial<Pick<OfJob, "job_id" | "attempt" | "seq">> {
  readonly type: "progress";
  readonly percentage: number;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A piece of output: the next one, whose number in the job is `index`, from 0 on. */
export interface Chunk<C = unknown> extends OfJob {
  readonly type: "chunk";
  readonly index: number;
  readonly data: C;
}

/** This attempt is over, another may start at `retry_at` (Unix seconds). Chunks from `continues_from` on are void. */
export interface Retrying extends OfJob {
  readonly type: "retrying";
  readonly error: Problem;
  readonly retry_at: number;
  readonly continues_from: number;
}

/** The server heard the wish to cancel; `status` is where the request stood. The outcome follows. */
export interface Cancelling extends OfRequest {
  readonly type: "cancelling";
  readonly status: string;
}

/** Outcome of an inline action. */
export interface Response<R = unknown> extends OfRequest {
  readonly type: "response";
  readonly success: true;
  readonly data: R;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Outcome of a job that has a result. */
export interface Complete<R = unknown> extends OfJob {
  readonly type: "complete";
  readonly success: true;
  readonly result: R;
  readonly chunks: number;
}

/** Outcome of a request that has no result; `final` is false where the server refused to take it at all. */
export interface Failure extends OfRequest, Partial<Pick<OfJob, "job_id" | "attempt" | "seq">> {
  readonly type: "error";
  readonly success: false;
  readonly error: Problem;
  readonly final: boolean;
}

/** The last event of a request. */
export type Outcome<R = unknown> = Response<R> | Complete<R> | Failure;
/** Something about one request, told apart by `type`. */
export type StreamerEvent<R = unknown, C = unknown> =
  | Acknowledgment
  | Progress
  | Chunk<C>
  | Retrying
  | Cancelling
  | Outcome<R>;

/** An outcome that is kept for this user until it is acknowledged; `status` is COMPLETED, FAILED or CANCELLED. */
export interface Offer {
  readonly request_id: string;
  readonly job_id: string;
  readonly status: string;
}

/** The first thing a node says: who the client is to it, and its limits. `inbox` is absent where it could not be read. */
export interface Welcome {
  readonly type: "welcome";
  readonly connection_id: string;
  readonly node_id: string;
  readonly heartbeat_ms: number;
  readonly token_expires_at?: number;
  readonly limits?: Readonly<Record<string, number>>;
  readonly reconnect?: { readonly min_ms: number; readonly max_ms: number };
  readonly inbox?: readonly Offer[];
}

/** The node is leaving: go elsewhere in that window; after `deadline_ms` it closes the socket. */
export interface Drain {
  readonly type: "drain";
  readonly reason: string;
  readonly reconnect_after_ms: readonly [number, number];
  readonly deadline_ms: number;
}

/** The answer to `resume`: the requests that there are, and whether everything that they lacked still is. */
export interface Resumed {
  readonly type: "resumed";
  readonly connection_id?: string;
  readonly requests: readonly { readonly request_id: string; readonly recovered?: boolean }[];
}

const EVENTS: ReadonlySet<string> = new Set([
  "acknowledgment",
  "progress",
  "chunk",
  "retrying",
  "cancelling",
  "response",
  "complete",
  "error",
]);

/** One frame as it came; undefined where the text is not a JSON object with a type. */
export function read(text: unknown): Frame | undefined {
  try {
    const frame: unknown = JSON.parse(String(text));
    return isFrame(frame) ? frame : undefined;
  } catch {
    return undefined;
  }
}

function isFrame(value: unknown): value is Frame {
  return typeof value === "object" && value !== null && typeof (value as Frame).type === "string";
}

/** The frame as an event, undefined where it is not about a request or of an unknown type. */
export function event(frame: Frame): StreamerEvent | undefined {
  if (!EVENTS.has(frame.type) || typeof frame["request_id"] !== "string") {
    return undefined;
  }
  return frame as unknown as StreamerEvent;
}

/** What a refusal that names no request says is wrong. */
export function problem(frame: Frame): Problem {
  return (frame["error"] as Problem | undefined) ?? { code: "INTERNAL_ERROR" };
}

/** The frame as a welcome, undefined where it is not one. */
export function welcome(frame: Frame | undefined): Welcome | undefined {
  const isOne = frame?.type === "welcome" && typeof frame["connection_id"] === "string";
  return isOne ? (frame as unknown as Welcome) : undefined;
}
