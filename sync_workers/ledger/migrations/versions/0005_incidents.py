"""Dead letters by incident: all of them, so that no plan takes this index for the short list of those that stand.

Looking for the letter of one record, PostgreSQL read the whole of the index where hardly a letter stood when it last
counted, and went on doing so while thousands came to stand.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX dead_letters_incident")
    op.execute("CREATE INDEX dead_letters_incident ON dead_letters (incident)")


def downgrade() -> None:
    op.execute("DROP INDEX dead_letters_incident")
    op.execute("CREATE INDEX dead_letters_incident ON dead_letters (incident) WHERE state IN ('open', 'requeued')")
