"""The floor to compare with: a bare Starlette endpoint that reads, looks the action up and answers; nothing else.

python benchmarks/baseline.py PORT
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


def echo(payload: Any) -> Any:
    return {"echo": payload, "action": "benchmark_echo", "received_at": time.time()}


ACTIONS: dict[str, Callable[[Any], Any]] = {"benchmark_echo": echo}


async def endpoint(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            request = orjson.loads(await socket.receive_text())
            answer = {
                "type": "response",
                "request_id": request["id"],
                "success": True,
                "data": ACTIONS[request["action"]](request["payload"]),
                "timestamp": time.time(),
            }
            await socket.send_text(orjson.dumps(answer).decode())
    except WebSocketDisconnect:
        return


def main(port: int) -> None:
    config = uvicorn.Config(
        Starlette(routes=[WebSocketRoute("/ws", endpoint)]),
        host="127.0.0.1",
        port=port,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="warning",
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
