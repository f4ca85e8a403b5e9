from collections.abc import Awaitable, Callable

import pytest

from tests.support.until import until


async def test_the_first_truthy_value_is_given() -> None:
    values = iter([0, None, "", "there"])
    assert await until(lambda: next(values)) == "there"


async def test_a_condition_may_be_awaited() -> None:
    async def there() -> int:
        return 7

    condition: Callable[[], int | Awaitable[int]] = there
    assert await until(condition) == 7


async def test_what_does_not_happen_is_named() -> None:
    with pytest.raises(AssertionError, match="a miracle"):
        await until(lambda: False, timeout_s=0.02, what="a miracle")
