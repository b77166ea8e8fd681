"""The doorstep: groups of arrivals that were accepted in a burst and are not sorted into events yet."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
    CREATE TABLE doorstep (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        count integer NOT NULL,
        arrivals text NOT NULL
    )
    """)
    # it is read once and gone: compressing it would be work for nothing
    op.execute("ALTER TABLE doorstep ALTER COLUMN arrivals SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.execute("DROP TABLE doorstep")
