"""``python -m app.worker``: confirm each order of the queue, and mail its customer."""

import asyncio
import signal
import smtplib
from email.message import EmailMessage

from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from app.settings import QUEUE, Settings
from app.tables import Customer, Order

_SECONDS = 1


async def work() -> None:
    """Confirm orders until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings = Settings()  # type: ignore[call-arg]
    engine = create_async_engine(settings.url(), pool_size=1)
    async with Redis.from_url(settings.redis_url) as redis:
        while not stop.is_set():
            found = await redis.blpop([QUEUE], timeout=_SECONDS)
            if found is not None:
                await _confirm(int(found[1]), engine, settings)
    await engine.dispose()


async def _confirm(number: int, engine: AsyncEngine, settings: Settings) -> None:
    async with async_sessionmaker(engine).begin() as session:
        order = await session.get_one(Order, number)
        order.status = "confirmed"
        email = await session.scalar(select(Customer.email).where(Customer.id == order.customer_id))
        message = EmailMessage()
        message["From"] = "orders@example.com"
        message["To"] = email
        message["Subject"] = f"Your order {order.id}"
        message.set_content(f"Thank you for ordering {order.item}.\n")
    await asyncio.to_thread(_send, message, settings)


def _send(message: EmailMessage, settings: Settings) -> None:
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=10) as server:
        server.send_message(message)


if __name__ == "__main__":
    asyncio.run(work())
