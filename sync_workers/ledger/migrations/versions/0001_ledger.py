"""The ledger's first shape: inbox, records, refs, attempts and what people act on."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    origin_system text NOT NULL,
    origin_id text NOT NULL,
    incarnation integer NOT NULL DEFAULT 1,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'held', 'dead', 'merged')),
    due_at timestamptz,
    asked bigint NOT NULL DEFAULT 0,
    settled bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    first_failed_at timestamptz,
    lapses integer NOT NULL DEFAULT 0,
    stale_reads integer NOT NULL DEFAULT 0,
    waits_for bigint REFERENCES records (id),
    merged_into bigint REFERENCES records (id),
    owner text,
    lease_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    forced boolean NOT NULL DEFAULT false,
    facts text,
    hold_code text,
    hold_reason text,
    hold_mend text,
    hold_since timestamptz,
    mapping_version integer,
    note text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 80);
CREATE INDEX records_due ON records (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX records_waiting ON records (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX records_merged ON records (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX records_stopped ON records (state) WHERE state IN ('held', 'dead');

CREATE TABLE refs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id bigint NOT NULL REFERENCES records (id),
    system text NOT NULL,
    kind text NOT NULL,
    external_id text COLLATE "C" NOT NULL,
    alias_of bigint REFERENCES refs (id),
    version text,
    sent jsonb NOT NULL DEFAULT '{}',
    held jsonb NOT NULL DEFAULT '{}',
    item_ids jsonb NOT NULL DEFAULT '{}',
    gone_since timestamptz,
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (system, kind, external_id)
) WITH (fillfactor = 80);
CREATE INDEX refs_listed ON refs (system, kind, length(external_id), external_id);
CREATE INDEX refs_aliases ON refs (alias_of) WHERE alias_of IS NOT NULL;
CREATE UNIQUE INDEX refs_of_record ON refs (record_id, system) WHERE alias_of IS NULL;

CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    record_id bigint NOT NULL,
    gen bigint NOT NULL,
    system text NOT NULL,
    kind text NOT NULL,
    external_id text NOT NULL,
    source text NOT NULL,
    echo boolean NOT NULL DEFAULT false,
    version text,
    payload jsonb,
    note text,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at timestamptz,
    outcome text CHECK (outcome IN
        ('applied', 'unchanged', 'superseded', 'dead', 'handled', 'discarded')),
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE INDEX events_unsettled ON events (record_id, gen) WHERE settled_at IS NULL;
CREATE INDEX events_of_record ON events (record_id, received_at);

CREATE TABLE deliveries (
    system text NOT NULL,
    key text NOT NULL,
    event_id bigint,
    seen integer NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (system, key)
);
CREATE INDEX deliveries_age ON deliveries (received_at);

CREATE TABLE identities (
    kind text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    record_id bigint NOT NULL REFERENCES records (id),
    PRIMARY KEY (kind, name, value)
);
CREATE INDEX identities_of_record ON identities (record_id);

CREATE TABLE attempts (
    id bigint GENERATED ALWAYS AS IDENTITY,
    record_id bigint NOT NULL,
    system text NOT NULL,
    kind text NOT NULL,
    op text NOT NULL CHECK (op IN ('create', 'update', 'action')),
    action text NOT NULL DEFAULT '',
    key text NOT NULL,
    mapping_version integer NOT NULL,
    fence bigint NOT NULL,
    fields jsonb NOT NULL DEFAULT '{}',
    request jsonb,
    response jsonb,
    status text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'done', 'refused', 'absent', 'superseded', 'shadow')),
    note text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    took_ms double precision,
    sure_at timestamptz NOT NULL,
    late_answer jsonb,
    PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;
CREATE INDEX attempts_open ON attempts (record_id) WHERE status = 'open';
CREATE INDEX attempts_open_creates ON attempts (system, kind, started_at) WHERE status = 'open' AND op = 'create';
CREATE INDEX attempts_of_record ON attempts (record_id, started_at);

CREATE TABLE overrules (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id bigint NOT NULL REFERENCES records (id),
    field text NOT NULL,
    system text NOT NULL,
    lost jsonb,
    winner text NOT NULL,
    won jsonb,
    rule text NOT NULL,
    mapping_version integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX overrules_of_record ON overrules (record_id, at);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    record_id bigint NOT NULL REFERENCES records (id),
    kind text NOT NULL,
    error text NOT NULL,
    message text NOT NULL,
    mend text NOT NULL DEFAULT '',
    field text,
    traceback text,
    facts text,
    incident text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'requeued', 'healed', 'discarded', 'handled')),
    closed_at timestamptz,
    who text,
    why text
);
CREATE UNIQUE INDEX dead_letters_standing ON dead_letters (record_id) WHERE state IN ('open', 'requeued');
CREATE INDEX dead_letters_incident ON dead_letters (incident) WHERE state IN ('open', 'requeued');

CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident text NOT NULL,
    severity text NOT NULL DEFAULT 'error' CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    subject text NOT NULL,
    body text NOT NULL DEFAULT '',
    count integer NOT NULL DEFAULT 1,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    closed_at timestamptz,
    sent_at timestamptz,
    sent_count integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz DEFAULT clock_timestamp(),
    error text
);
CREATE UNIQUE INDEX alerts_standing ON alerts (incident) WHERE closed_at IS NULL;
CREATE INDEX alerts_unsent ON alerts (next_try_at) WHERE sent_at IS NULL;

CREATE TABLE cursors (
    system text NOT NULL,
    kind text NOT NULL,
    position jsonb NOT NULL DEFAULT '{}',
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    polled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (system, kind)
);

CREATE TABLE modes (
    kind text NOT NULL,
    system text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('off', 'shadow', 'canary', 'live')),
    canary jsonb,
    who text NOT NULL,
    why text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, system)
);

CREATE TABLE mapping_versions (
    kind text PRIMARY KEY,
    version integer NOT NULL,
    digest text NOT NULL,
    who text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE circuits (
    system text PRIMARY KEY,
    state text NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open')),
    failures integer NOT NULL DEFAULT 0,
    opened_at timestamptz,
    probe_at timestamptz,
    reason text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE contracts (
    system text NOT NULL,
    kind text NOT NULL,
    pinned jsonb NOT NULL,
    drift jsonb NOT NULL DEFAULT '[]',
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (system, kind)
);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    why text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE slots (
    job text NOT NULL,
    slot timestamptz NOT NULL,
    owner text NOT NULL,
    lease_until timestamptz NOT NULL,
    done_at timestamptz,
    note text,
    PRIMARY KEY (job, slot)
);

CREATE TABLE heartbeats (
    worker text PRIMARY KEY,
    queues text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'handled', 'discarded')),
    who text,
    why text
);

CREATE TABLE sweeps (
    system text NOT NULL,
    kind text NOT NULL,
    began_at timestamptz NOT NULL,
    findings jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (system, kind)
);

CREATE TABLE stock_levels (
    system text NOT NULL,
    external_id text NOT NULL,
    part_number text NOT NULL,
    on_hand numeric NOT NULL,
    allocated numeric NOT NULL,
    available numeric NOT NULL,
    read_at timestamptz NOT NULL,
    PRIMARY KEY (system, external_id)
) WITH (fillfactor = 80);
"""


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in ("stock_levels", "sweeps", "quarantine", "heartbeats", "slots", "audit", "contracts", "circuits",
                  "mapping_versions", "modes", "cursors", "alerts", "dead_letters", "overrules", "attempts",
                  "identities", "deliveries", "events", "refs", "records"):
        op.execute(f"DROP TABLE {table}")
