/** Names of requests. */

const CLIENT_ID = /^[A-Za-z0-9._:~-]{1,128}$/;

/** Throws TypeError where it is not an id of the protocol. */
export function checked(id: string): string {
  if (!CLIENT_ID.test(id)) {
    throw new TypeError(`${JSON.stringify(id)} is not an id: 1 to 128 letters, digits or . _ : ~ -`);
  }
  return id;
}

/** A UUID that sorts by its time. Source: RFC 9562, section 5.7. */
export function uuid7(now = Date.now()): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is for secure contexts only
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(now / 2 ** 32));
  view.setUint32(2, now % 2 ** 32);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x70);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
