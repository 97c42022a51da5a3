"""Customers and orders, in schemas of their own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import CITEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both schemas."""
    op.execute("CREATE SCHEMA people")
    op.execute("CREATE SCHEMA sales")
    op.create_table(
        "customers",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", CITEXT, nullable=False, unique=True),
        schema="people",
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer_id", sa.Integer, sa.ForeignKey("people.customers.id"), nullable=False),
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        schema="sales",
    )


def downgrade() -> None:
    """Drop both schemas."""
    op.execute("DROP SCHEMA sales CASCADE")
    op.execute("DROP SCHEMA people CASCADE")
