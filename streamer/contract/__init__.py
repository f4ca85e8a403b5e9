"""The contract of a service as documents, made from its actions and the protocol's models; and what changed in it."""
