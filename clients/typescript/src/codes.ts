/** What the protocol calls things: the subprotocol, and close codes. Source: PROTOCOL, sections 1 and 4. */

export const VERSION_1 = "streamer.v1";
/** What a subprotocol entry that carries a token begins with. */
export const BEARER = "bearer.";

/** Close codes that a client meets or uses. */
export const Close = {
  NORMAL: 1000,
  /** RFC 6455, section 7.1.5: the connection ended without a close frame. */
  NO_CLOSE_FRAME: 1006,
  INVALID_TEXT: 1007,
  RESTARTING: 1012,
  TOKEN_EXPIRED: 4401,
  TOO_MANY_MESSAGES: 4429,
  TOKEN_REJECTED: 4500,
  FORBIDDEN: 4503,
  TOO_MANY_CONNECTIONS: 4504,
} as const;

const FINAL: ReadonlySet<number> = new Set([1000, 1002, 1003, 1007, 1008, 1009]);

/** Whether a client should come back after this close code. */
export function mayReconnect(code: number): boolean {
  return !FINAL.has(code) && !(code >= 4500 && code <= 4999);
}
