"""The HTTP API."""

import hmac
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from app.settings import QUEUE, Settings
from app.tables import Customer, Order

settings = Settings()  # type: ignore[call-arg]
engine = create_async_engine(settings.url(), pool_size=2)
redis = Redis.from_url(settings.redis_url)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI(title="Orders")


async def session() -> AsyncIterator[AsyncSession]:
    """Open a session for a request."""
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


class NewOrder(BaseModel):
    """An order to place."""

    email: str
    item: str


class PlacedOrder(BaseModel):
    """An order that was placed."""

    id: int
    item: str
    status: str
    signature: str
    link: str


@app.get("/ping")
async def ping() -> dict[str, str]:
    """Answer while the process works."""
    return {"ping": "pong"}


@app.post("/orders", status_code=201)
async def place(new: NewOrder, db: Session) -> PlacedOrder:
    """Place an order, know its customer from then on, and let the worker confirm it."""
    customer = await db.scalar(select(Customer).where(Customer.email == new.email))
    if customer is None:
        customer = Customer(email=new.email)
        db.add(customer)
        await db.flush()
    order = Order(customer_id=customer.id, item=new.item)
    db.add(order)
    await db.commit()
    await redis.rpush(QUEUE, order.id)
    return _placed(order)


@app.get("/orders/{number}")
async def read(number: int, db: Session) -> PlacedOrder:
    """Read an order."""
    order = await db.get(Order, number)
    if order is None:
        raise HTTPException(404)
    return _placed(order)


def _placed(order: Order) -> PlacedOrder:
    signature = hmac.digest(settings.signing_key.encode(), str(order.id).encode(), "sha256")
    return PlacedOrder(
        id=order.id,
        item=order.item,
        status=order.status,
        signature=signature.hex(),
        link=f"{settings.public_url}/orders/{order.id}",
    )
