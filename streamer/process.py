"""What a node and a worker make of their settings in the same way."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import structlog

from streamer.cluster.sigv4 import Key
from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.settings import Settings
from streamer.store.back_off import BackOff
from streamer.store.base import Observer, Store
from streamer.store.open import open_store
from streamer.store.queue import Retention
from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()


def opened(settings: Settings, metrics: Metrics) -> AbstractAsyncContextManager[Store]:
    """The store that the settings name, its calls counted."""
    return open_store(
        settings.store,
        table_prefix=settings.table_prefix,
        retention=Retention(outcome_ms=settings.ttl_s * 1000, dead_letter_ms=2 * settings.ttl_s * 1000),
        observer=observer(metrics),
    )


def observer(metrics: Metrics) -> Observer:
    """Counts every call to the store; an error is one that the store made, not a caller that went away."""

    def observe(verb: str, seconds: float, error: BaseException | None) -> None:
        metrics.store_seconds.labels(verb).observe(seconds)
        if isinstance(error, StoreUnavailable):
            metrics.store_errors.labels(verb).inc()

    return observe


async def reached(settings: Settings, store: Store) -> None:
    """Waits for the store, however long that takes; the embedded one is made where it is missing."""
    back_off, was_away = BackOff(), False
    while True:
        try:
            if settings.store.startswith("sqlite"):  # nobody else's to make
                await store.create()
            await store.check()
        except StoreUnavailable as error:
            if not was_away:
                log.warning("store_awaited", reason=str(error))
            was_away = True
            await back_off.pause()
        else:
            return


def cluster_keys(settings: Settings) -> Sequence[Key]:
    """The key pair that signs, then the one that is accepted beside it. Raises ConfigurationError without any."""
    pairs = (
        (settings.cluster_key_id, settings.cluster_secret),
        (settings.cluster_key_id_next, settings.cluster_secret_next),
    )
    keys = [Key(key_id, secret.get_secret_value()) for key_id, secret in pairs if key_id and secret]
    if not keys:
        raise ConfigurationError("Set STREAMER_CLUSTER_KEY_ID and STREAMER_CLUSTER_SECRET.")
    return keys
