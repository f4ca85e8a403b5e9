// Reads one output as a program does that knows nothing of connections.

/** What it has in the end; `piece` is called whenever there is one more. */
export async function stream(session, payload, piece) {
  const output = [];
  let complete;
  for await (const event of session.submit("stream", payload, { id: "r1" })) {
    if (event.type === "chunk") {
      output.push(event.data);
      piece();
    } else if (event.type === "retrying") {
      output.splice(event.continues_from);
    } else if (event.type === "complete") {
      complete = event;
    }
  }
  return { output: JSON.stringify(output), chunks: complete.chunks, attempt: complete.attempt };
}
