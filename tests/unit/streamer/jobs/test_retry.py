import pytest

from streamer.jobs import retry


@pytest.mark.parametrize(
    ("retry_count", "ceiling_ms"), [(0, 1_000), (1, 2_000), (5, 32_000), (9, 300_000), (10**6, 300_000)]
)
def test_the_span_doubles_up_to_five_minutes(retry_count: int, ceiling_ms: int) -> None:
    assert retry.delay_ms(retry_count, 1_000, 0.0) == 0
    assert retry.delay_ms(retry_count, 1_000, 0.5) == ceiling_ms // 2
    assert retry.delay_ms(retry_count, 1_000, 0.999_999_9) == pytest.approx(ceiling_ms, abs=1)


def test_a_cap_of_ones_own() -> None:
    assert retry.delay_ms(20, 1_000, 0.5, cap_ms=10_000) == 5_000
