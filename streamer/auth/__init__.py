"""Who is calling: a JWT (RFC 7519) becomes a Principal, or a refusal that tells the caller nothing."""

from streamer.auth.authenticator import Authenticator
from streamer.auth.issuing import issue_for, issue_token
from streamer.auth.principal import ANYTHING, DEVELOPER, MAX_NAME_BYTES, Principal

__all__ = ["ANYTHING", "DEVELOPER", "MAX_NAME_BYTES", "Authenticator", "Principal", "issue_for", "issue_token"]
