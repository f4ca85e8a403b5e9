"""The contract of a service as documents, made from its actions and the protocol's models; and what changed in it."""

from streamer.contract import asyncapi, openapi
from streamer.contract.write import written

__all__ = ["asyncapi", "openapi", "written"]
