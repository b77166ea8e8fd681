"""Refs: what was sent is kept only where it differs from what was held afterwards, which is seldom."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE refs ALTER COLUMN sent DROP NOT NULL")


def downgrade() -> None:
    op.execute("UPDATE refs SET sent = held WHERE sent IS NULL")
    op.execute("ALTER TABLE refs ALTER COLUMN sent SET NOT NULL")
