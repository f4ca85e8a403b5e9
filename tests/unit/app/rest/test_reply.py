from app.rest.reply import Reply, kind_of


async def said(reply: Reply, *texts: str) -> None:
    for text in texts:
        await reply.send({"type": "websocket.send", "text": text})


def test_a_frame_begins_with_its_type() -> None:
    assert kind_of('{"type":"response","data":1}') == "response"
    assert kind_of("hello") is None


async def test_the_first_frame_of_its_kinds_is_the_answer() -> None:
    reply = Reply({"acknowledgment"})
    await said(reply, '{"type":"progress"}', "hello", '{"type":"acknowledgment"}', '{"type":"acknowledgment","n":2}')
    assert reply.first.result() == '{"type":"acknowledgment"}'
    assert not reply.outcome.done()


async def test_the_outcome_comes_after_it() -> None:
    reply = Reply({"acknowledgment"})
    await said(reply, '{"type":"complete"}', '{"type":"acknowledgment"}', '{"type":"progress"}')
    assert not reply.outcome.done()
    await said(reply, '{"type":"error"}', '{"type":"complete"}')
    assert reply.outcome.result() == '{"type":"error"}'


async def test_a_connection_that_is_closed_has_no_more_answers() -> None:
    reply = Reply({"acknowledgment"})
    await said(reply, '{"type":"acknowledgment"}')
    await reply.send({"type": "websocket.close", "code": 1012})
    assert (reply.first.result(), reply.outcome.result()) == ('{"type":"acknowledgment"}', None)
    early = Reply({"acknowledgment"})
    await early.send({"type": "websocket.close", "code": 1012})
    assert (early.first.result(), early.outcome.result()) == (None, None)
