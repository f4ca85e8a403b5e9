/** The frames by which a client asks for something. Pure. */

import type { Frame } from "./frames.js";
import type { Submission } from "./submission.js";

/** What a request may ask for besides its action. Source: PROTOCOL, section 2. */
export interface RequestOptions {
  readonly priority?: "high" | "normal" | "low";
  /** Start it so many seconds later, at most 86 400. */
  readonly delay_seconds?: number;
  readonly mode?: "auto" | "inline" | "queued";
  /** After so many seconds an outcome is pointless. */
  readonly expires_in?: number;
  /** Keep the outcome in the inbox until it is acknowledged. */
  readonly durable?: boolean;
}

export function request(
  requestId: string,
  action: string,
  payload: unknown,
  options: RequestOptions | undefined,
  metadata: Readonly<Record<string, unknown>> | undefined,
): Frame {
  return { type: "request", id: requestId, action, payload, options, metadata };
}

/** Of these requests we have so much. `claim`: the connection that we were, and how often we came back. */
export function resume(submissions: readonly Submission[], claim?: { connection_id: string; n: number }): Frame {
  const requests = submissions.map((each) => ({ request_id: each.requestId, ...each.position.fields() }));
  return { type: "resume", ...claim, requests };
}

/** Watch a job, of which we have so much already. */
export function subscribe(submission: Submission): Frame {
  return { type: "subscribe", job_id: submission.requestId, ...submission.position.fields(), events: submission.wants };
}

export function unsubscribe(jobId: string): Frame {
  return { type: "unsubscribe", job_id: jobId };
}

export function cancel(requestId: string): Frame {
  return { type: "cancel", request_id: requestId };
}

export function ack(requestId: string): Frame {
  return { type: "ack", request_id: requestId };
}

/** A fresh token for this connection. */
export function auth(token: string): Frame {
  return { type: "auth", token };
}

export function ping(id?: number): Frame {
  return { type: "ping", id };
}
