"""Stock: any further figure of a part is compared too, and what was seen unchanged is kept apart."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Ids joined by line feeds, which no id holds: a sweep of a million parts writes as many rows as it read pages.
STATEMENTS = """
ALTER TABLE stock_levels ADD COLUMN further text NOT NULL DEFAULT '';
CREATE TABLE stock_seen (
    system text NOT NULL,
    read_at timestamptz NOT NULL,
    external_ids text NOT NULL
);
CREATE INDEX stock_seen_newest ON stock_seen (system, read_at)
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE stock_seen")
    op.execute("ALTER TABLE stock_levels DROP COLUMN further")
