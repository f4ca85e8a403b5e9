"""When a failed attempt runs again."""

from typing import Final

MAX_DELAY_MS: Final = 300_000


def delay_ms(retry_count: int, base_ms: int, chance: float, *, cap_ms: int = MAX_DELAY_MS) -> int:
    """Full jitter: anything between 0 and min(cap, base * 2^n), after n earlier retries.

    `chance` is a random number in [0, 1). Spreading over the whole span keeps the retries of jobs that failed
    together from coming back together (AWS Architecture Blog, "Exponential Backoff and Jitter").
    """
    ceiling = min(cap_ms, base_ms * 2 ** min(retry_count, 32))
    return int(ceiling * chance)
