/** The frames by which a client asks for something. Pure. */
export function request(requestId, action, payload, options, metadata) {
    return { type: "request", id: requestId, action, payload, options, metadata };
}
/** Of these requests we have so much. `claim`: the connection that we were, and how often we came back. */
export function resume(submissions, claim) {
    const requests = submissions.map((each) => ({ request_id: each.requestId, ...each.position.fields() }));
    return { type: "resume", ...claim, requests };
}
/** Watch a job, of which we have so much already. */
export function subscribe(submission) {
    return { type: "subscribe", job_id: submission.requestId, ...submission.position.fields(), events: submission.wants };
}
export function unsubscribe(jobId) {
    return { type: "unsubscribe", job_id: jobId };
}
export function cancel(requestId) {
    return { type: "cancel", request_id: requestId };
}
export function ack(requestId) {
    return { type: "ack", request_id: requestId };
}
/** A fresh token for this connection. */
export function auth(token) {
    return { type: "auth", token };
}
export function ping(id) {
    return { type: "ping", id };
}
