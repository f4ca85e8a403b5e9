/** What the server says, as it is on the wire. Types and fields that this version does not know are passed over. */
const EVENTS = new Set([
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
export function read(text) {
    try {
        const frame = JSON.parse(String(text));
        return isFrame(frame) ? frame : undefined;
    }
    catch {
        return undefined;
    }
}
function isFrame(value) {
    return typeof value === "object" && value !== null && typeof value.type === "string";
}
/** The frame as an event, undefined where it is not about a request or of an unknown type. */
export function event(frame) {
    if (!EVENTS.has(frame.type) || typeof frame["request_id"] !== "string") {
        return undefined;
    }
    return frame;
}
/** What a refusal that names no request says is wrong. */
export function problem(frame) {
    return frame["error"] ?? { code: "INTERNAL_ERROR" };
}
/** The frame as a welcome, undefined where it is not one. */
export function welcome(frame) {
    const isOne = frame?.type === "welcome" && typeof frame["connection_id"] === "string";
    return isOne ? frame : undefined;
}
