/** Who a session is to the server, whichever socket it has. */

import type { Offer, Welcome } from "./frames.js";

/** Older acknowledgments have arrived, or the server offers those outcomes again. */
const ACKS_KEPT = 1_000;

/** The connection id that outlives sockets, until when its token is good, how often the session came back, its inbox. */
export class Identity {
  connectionId: string;
  tokenExpiresAt: number | undefined;
  reconnects = 0;
  inbox: readonly Offer[];
  #acks = new Set<string>(); // the newest last; the server may not have heard of them

  constructor(public welcome: Welcome) {
    this.connectionId = welcome.connection_id;
    this.tokenExpiresAt = welcome.token_expires_at;
    this.inbox = welcome.inbox ?? [];
  }

  /** Another node took us in; by which connection id it knows us is said by its `resumed`. */
  cameBack(welcome: Welcome): void {
    this.welcome = welcome;
    this.tokenExpiresAt = welcome.token_expires_at;
    this.reconnects += 1;
    if (welcome.inbox !== undefined) {
      this.inbox = welcome.inbox.filter((offer) => !this.#acks.has(offer.request_id));
    }
  }

  ack(requestId: string): void {
    this.#acks.delete(requestId);
    this.#acks.add(requestId);
    const [oldest] = this.#acks;
    if (oldest !== undefined && this.#acks.size > ACKS_KEPT) {
      this.#acks.delete(oldest);
    }
    this.inbox = this.inbox.filter((offer) => offer.request_id !== requestId);
  }

  hasAcked(requestId: string): boolean {
    return this.#acks.has(requestId);
  }

  /** What this node is to be told (again). What it does not offer any more is forgotten then. */
  acksToRepeat(): readonly string[] {
    const acks = [...this.#acks];
    const offers = this.welcome.inbox;
    if (offers !== undefined) {
      const offered = new Set(offers.map((offer) => offer.request_id));
      this.#acks = new Set(acks.filter((requestId) => offered.has(requestId)));
    }
    return acks;
  }
}
