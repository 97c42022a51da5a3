"""``python -m app.worker``: confirm each new order."""

import asyncio
import signal

from sqlalchemy import update
from sqlalchemy.ext.asyncio import create_async_engine

from app.settings import Settings
from app.tables import Order

_SECONDS = 0.5


async def work() -> None:
    """Confirm orders until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = create_async_engine(Settings().url(), pool_size=1)  # type: ignore[call-arg]
    while not stop.is_set():
        async with engine.begin() as connection:
            await connection.execute(
                update(Order).where(Order.status == "new").values(status="confirmed")
            )
        try:
            await asyncio.wait_for(stop.wait(), _SECONDS)
        except TimeoutError:
            continue
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(work())
