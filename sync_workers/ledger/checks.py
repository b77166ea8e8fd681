"""The laws as questions to the ledger: each check counts what it looked at and finds what broke it.

A check is two statements: ``counted`` returns one number, ``found`` returns one sentence per breach that
names the record. L4 needs the sheets and is in ``agreement``; what stands in the systems is in ``sweeps``.
"""

# ruff: noqa: S608 -- the only texts put into statements are the two constants below
from __future__ import annotations

from dataclasses import dataclass

BROKEN, UNPROVEN = "broken", "unproven"


@dataclass(frozen=True)
class Check:
    """One question of one law. Parameters: ``stuck_s``, ``untold_s``, ``proving`` (kind/system flows whose
    look-up or unique key proves absence), ``limit``."""

    law: str
    found: str
    counted: str = "SELECT 0"
    verdict: str = BROKEN


_NAME = "'record ' || r.id || ' (' || r.kind || ' ' || r.origin_system || ':' || r.origin_id || ')'"
_FREE = "r.owner IS NULL OR r.lease_until < clock_timestamp() - make_interval(secs => %(stuck_s)s)"

CHECKS = (
    # L1: every event has one end, or waits with a reason
    Check("L1", """
        SELECT 'event ' || id || ' of record ' || record_id || ' is '
               || CASE WHEN outcome IS NULL THEN 'settled without an outcome' ELSE outcome || ' but not settled' END
          FROM events WHERE (settled_at IS NULL) <> (outcome IS NULL)
    """, "SELECT count(*) FROM events"),
    Check("L1", """
        SELECT 'event ' || e.id || ' belongs to record ' || e.record_id || ', which '
               || coalesce('became part of record ' || r.merged_into, 'does not exist')
          FROM events e LEFT JOIN records r ON r.id = e.record_id
         WHERE r.id IS NULL OR (e.settled_at IS NULL AND r.state = 'merged')
    """),
    Check("L1", f"""
        SELECT {_NAME} || ' has unsettled news (event ' || e.id || ') but is neither due nor held with a reason'
          FROM (SELECT DISTINCT ON (record_id) record_id, id FROM events WHERE settled_at IS NULL
                 ORDER BY record_id, gen) e JOIN records r ON r.id = e.record_id
         WHERE r.due_at IS NULL AND r.state <> 'merged'
           AND NOT (r.state = 'held' AND coalesce(r.hold_reason, '') <> '')
    """),
    Check("L1", f"""
        SELECT {_NAME} || ' was asked ' || r.asked || ' times, but has an event with generation ' || max(e.gen)
          FROM records r JOIN events e ON e.record_id = r.id WHERE r.state <> 'merged'
         GROUP BY r.id HAVING max(e.gen) > r.asked
    """),
    Check("L1", f"""
        SELECT {_NAME} || ' has been due since ' || to_char(r.due_at, 'YYYY-MM-DD HH24:MI:SS')
               || ' UTC and nobody works on it'
          FROM records r WHERE r.due_at < clock_timestamp() - make_interval(secs => %(stuck_s)s) AND ({_FREE})
           AND r.state <> 'merged'
    """),
    Check("L1", f"""
        SELECT {_NAME} || ' is dead without an open dead letter' FROM records r
         WHERE r.state = 'dead'
           AND NOT EXISTS (SELECT FROM dead_letters l WHERE l.record_id = r.id AND l.state = 'open')
    """),
    Check("L1", f"""
        SELECT {_NAME} || ' has the dead event ' || min(e.id) || ', but never had a dead letter'
          FROM events e JOIN records r ON r.id = e.record_id
         WHERE e.outcome = 'dead'
           AND NOT EXISTS (SELECT FROM dead_letters l WHERE l.record_id IN (r.id, r.merged_into))
         GROUP BY r.id
    """),
    Check("L1", """
        SELECT 'dead letter ' || l.id || ' never raised an alert' FROM dead_letters l
         WHERE l.state = 'open' AND NOT EXISTS (SELECT FROM alerts a WHERE a.incident = l.incident)
    """),
    Check("L1", """
        SELECT 'delivery ' || d.key || ' of ' || d.system || ' was accepted, but its event ' || d.event_id || ' is gone'
          FROM deliveries d WHERE d.event_id IS NOT NULL
           AND d.received_at > (SELECT coalesce(min(received_at), 'infinity') FROM events)
           AND NOT EXISTS (SELECT FROM events e WHERE e.id = d.event_id)
    """),
    Check("L1", """
        SELECT count || ' deliveries that were accepted at ' || to_char(received_at, 'YYYY-MM-DD HH24:MI:SS')
               || ' UTC are not sorted into events'
          FROM doorstep WHERE received_at < clock_timestamp() - make_interval(secs => %(stuck_s)s)
    """, "SELECT coalesce(sum(count), 0) FROM doorstep"),
    # L2: nothing is doubled
    Check("L2", """
        SELECT 'record ' || record_id || ' has ' || count(*) || ' counterparts in ' || system || ': '
               || string_agg(external_id, ', ' ORDER BY id)
          FROM refs WHERE alias_of IS NULL GROUP BY record_id, system HAVING count(*) > 1
    """, "SELECT count(*) FROM refs"),
    Check("L2", """
        SELECT kind || ' ' || external_id || ' of ' || system || ' belongs to the records '
               || string_agg(DISTINCT record_id::text, ', ')
          FROM refs GROUP BY system, kind, external_id HAVING count(DISTINCT record_id) > 1
    """),
    Check("L2", """
        SELECT 'the records ' || string_agg(id::text, ', ' ORDER BY id) || ' are all ' || kind || ' '
               || origin_system || ':' || origin_id
          FROM records WHERE state <> 'merged' GROUP BY kind, origin_system, origin_id HAVING count(*) > 1
    """),
    Check("L2", """
        SELECT 'record ' || record_id || ' was created ' || count(*) || ' times in ' || system || ' (attempts '
               || string_agg(id::text, ', ' ORDER BY id) || ')'
          FROM attempts WHERE op = 'create' AND status = 'done' GROUP BY record_id, system, key HAVING count(*) > 1
    """, "SELECT count(*) FROM attempts WHERE op = 'create'"),
    Check("L2", """
        SELECT 'record ' || a.record_id || ': the create in ' || a.system || ' (attempt ' || a.id
               || ') got no answer, was not found and was repeated; only a sweep of ' || a.system
               || ' begun after ' || to_char(max(b.sure_at), 'YYYY-MM-DD HH24:MI:SS') || ' UTC can tell'
          FROM attempts a JOIN attempts b ON b.record_id = a.record_id AND b.system = a.system AND b.op = 'create'
           AND b.key = a.key AND b.started_at > a.started_at AND b.status <> 'shadow'
          LEFT JOIN sweeps s ON s.system = a.system AND s.kind = a.kind
         WHERE a.op = 'create' AND a.status = 'absent' AND NOT (a.kind || '/' || a.system = ANY(%(proving)s::text[]))
         GROUP BY a.record_id, a.system, a.id, s.began_at HAVING s.began_at IS NULL OR s.began_at <= max(b.sure_at)
    """, verdict=UNPROVEN),
    # L3: the owner wins
    Check("L3", """
        SELECT 'attempt ' || a.id || ' of record ' || a.record_id || ' wrote ' || f.name || ' to ' || a.system
               || ' under the rule "' || (f.change ->> 'rule') || '": ' || a.system || ' owns it'
          FROM attempts a CROSS JOIN LATERAL jsonb_each(a.fields) AS f (name, change)
         WHERE a.op = 'update' AND a.status <> 'shadow'
           AND 'owner ' || a.system = ANY(string_to_array(f.change ->> 'rule', '; '))
    """, "SELECT count(*) FROM attempts WHERE op = 'update'"),
    # Equal values sent twice by answered calls: in between the system showed something else, and lost.
    Check("L3", """
        SELECT 'record ' || w.record_id || ': ' || w.name || ' was put back in ' || w.system || ' (attempt ' || w.id
               || ') and no overrule was recorded'
          FROM (SELECT a.id, a.record_id, a.system, f.name, a.started_at, a.finished_at, f.change ->> 'rule' AS rule,
                       f.change -> 'after' AS after, f.change -> 'before' AS before, a.mapping_version AS version,
                       lag(f.change -> 'after') OVER turn AS last, lag(a.mapping_version) OVER turn AS last_version
                  FROM attempts a CROSS JOIN LATERAL jsonb_each(a.fields) AS f (name, change)
                 WHERE a.op IN ('create', 'update') AND a.status = 'done' AND a.took_ms IS NOT NULL
                WINDOW turn AS (PARTITION BY a.record_id, a.system, f.name ORDER BY a.started_at, a.id)) w
         WHERE w.rule LIKE 'owner %%' AND w.after = w.last AND w.before <> w.after AND w.version = w.last_version
           AND NOT EXISTS (SELECT FROM overrules o WHERE o.record_id = w.record_id AND o.system = w.system
                 AND substring(o.field FROM '^[A-Za-z0-9_]+') = w.name
                 AND o.at BETWEEN w.started_at - interval '1 minute' AND w.finished_at + interval '1 minute')
    """),
    Check("L3", """
        SELECT 'overrule ' || id || ' of record ' || record_id || ': ' || field || ' of ' || system
               || ' lost to the same system' FROM overrules WHERE winner = system
    """, "SELECT count(*) FROM overrules"),
    # L4: it settles (the sheets' part is in agreement.py)
    Check("L4", """
        SELECT 'record ' || record_id || ': ' || name || ' in ' || system || ' was written from ' || left(before, 60)
               || ' to ' || left(after, 60) || ' more than three times within an hour'
          FROM (SELECT a.record_id, a.system, f.name, f.change ->> 'before' AS before, f.change ->> 'after' AS after,
                       a.started_at, lag(a.started_at, 3) OVER (PARTITION BY a.record_id, a.system, f.name,
                           f.change -> 'before', f.change -> 'after' ORDER BY a.started_at, a.id) AS third_last
                  FROM attempts a CROSS JOIN LATERAL jsonb_each(a.fields) AS f (name, change)
                 WHERE a.op = 'update' AND a.status = 'done') w
         WHERE third_last > started_at - interval '1 hour' GROUP BY record_id, system, name, before, after
    """),
    # L5: it is explained
    Check("L5", """
        SELECT 'attempt ' || id || ' of record ' || record_id || ' is ' || status || ' and lacks '
               || concat_ws(', ', CASE WHEN request IS NULL THEN 'its request' END,
                    CASE WHEN finished_at IS NULL THEN 'its end' END,
                    CASE WHEN response IS NULL AND coalesce(note, '') = '' THEN 'its response' END,
                    CASE WHEN response IS NOT NULL AND took_ms IS NULL THEN 'how long it took' END,
                    CASE WHEN mapping_version <= 0 THEN 'its mapping version' END,
                    CASE WHEN op <> 'action' AND fields = '{}' THEN 'what it sent' END)
          FROM attempts WHERE status NOT IN ('open', 'shadow')
           AND (request IS NULL OR finished_at IS NULL OR mapping_version <= 0
                OR (response IS NULL AND coalesce(note, '') = '') OR (response IS NOT NULL AND took_ms IS NULL)
                OR (op <> 'action' AND fields = '{}'))
    """, "SELECT count(*) FROM attempts WHERE status NOT IN ('open', 'shadow')"),
    Check("L5", """
        SELECT 'event ' || e.id || ' of record ' || e.record_id || ' is applied, but no attempt says how'
          FROM events e WHERE e.outcome = 'applied' AND NOT EXISTS (
               SELECT FROM attempts a WHERE a.status = 'done' AND a.started_at <= e.settled_at
                  AND (a.record_id = e.record_id
                       OR a.record_id IN (SELECT id FROM records WHERE merged_into = e.record_id)
                       OR a.record_id = (SELECT merged_into FROM records WHERE id = e.record_id)))
           AND e.received_at >= (SELECT coalesce(min(started_at), '-infinity') FROM attempts)
    """, "SELECT count(*) FROM events WHERE outcome = 'applied'"),
    # L6: it is loud
    Check("L6", """
        SELECT 'dead letter ' || l.id || ' of record ' || l.record_id || ' is open, but its alert is not ('
               || l.incident || ')'
          FROM dead_letters l WHERE l.state = 'open' AND NOT EXISTS (
               SELECT FROM alerts a WHERE a.incident = l.incident AND a.closed_at IS NULL)
    """, "SELECT count(*) FROM dead_letters WHERE state = 'open'"),
    Check("L6", """
        SELECT 'the circuit of ' || c.system || ' is open, but no alert is' FROM circuits c
         WHERE c.state = 'open' AND NOT EXISTS (
               SELECT FROM alerts a WHERE a.incident = 'down:' || c.system AND a.closed_at IS NULL)
    """, "SELECT count(*) FROM circuits WHERE state = 'open'"),
    Check("L6", """
        SELECT 'the contract of ' || c.kind || ' in ' || c.system || ' has drifted, but no alert is open'
          FROM contracts c WHERE c.drift <> '[]' AND NOT EXISTS (
               SELECT FROM alerts a WHERE a.incident = 'drift:' || c.system || ':' || c.kind AND a.closed_at IS NULL)
    """, "SELECT count(*) FROM contracts WHERE drift <> '[]'"),
    Check("L6", """
        SELECT 'alert ' || id || ' (' || subject || ') has not been sent since '
               || to_char(opened_at, 'YYYY-MM-DD HH24:MI:SS') || ' UTC' || coalesce(': ' || error, '')
          FROM alerts WHERE sent_at IS NULL AND opened_at < clock_timestamp() - make_interval(secs => %(untold_s)s)
    """, "SELECT count(*) FROM alerts"),
    # L7: it is fair
    Check("L7", """
        SELECT 'record ' || record_id || ' died of ' || error || ' (dead letter ' || id
               || '): a system that is down must cost no retries'
          FROM dead_letters WHERE error IN ('SystemDown', 'Throttled')
    """, "SELECT count(*) FROM dead_letters"),
    Check("L7", """
        SELECT count(DISTINCT a.record_id) || ' records were tried at once in ' || a.system
               || ' while its circuit was open: ' || string_agg(DISTINCT a.record_id::text, ', ')
          FROM attempts a JOIN circuits c ON c.system = a.system
         WHERE c.state = 'open' AND a.status <> 'shadow' AND a.started_at > c.opened_at + interval '1 minute'
         GROUP BY a.system, date_trunc('second', a.started_at) HAVING count(DISTINCT a.record_id) > 1
    """, "SELECT count(*) FROM circuits"),
    Check("L7", f"""
        SELECT {_NAME} || ' has been due since ' || to_char(r.due_at, 'YYYY-MM-DD HH24:MI:SS')
               || ' UTC while others of its kind that came later were worked off'
          FROM records r WHERE r.due_at < clock_timestamp() - make_interval(secs => %(stuck_s)s) AND r.owner IS NULL
           AND r.state <> 'merged'
           AND EXISTS (SELECT FROM events e WHERE e.kind = r.kind AND e.record_id <> r.id
                 AND e.received_at > r.due_at AND e.settled_at > r.due_at + make_interval(secs => %(stuck_s)s))
    """, "SELECT count(*) FROM records WHERE due_at <= clock_timestamp()"),
    # L8: one at a time
    Check("L8", """
        SELECT 'record ' || a.record_id || ': attempt ' || b.id || ' (fence ' || b.fence || ') began while attempt '
               || a.id || ' (fence ' || a.fence || ') was under way'
          FROM attempts a JOIN attempts b ON b.record_id = a.record_id AND b.fence > a.fence
           AND b.started_at >= a.started_at AND b.started_at < a.started_at + a.took_ms * interval '1 millisecond'
         WHERE a.status <> 'shadow' AND b.status <> 'shadow' AND a.took_ms IS NOT NULL
    """, "SELECT count(*) FROM attempts WHERE status <> 'shadow'"),
    Check("L8", """
        SELECT 'record ' || a.record_id || ': attempt ' || a.id || ' was opened under fence ' || a.fence
               || ' after attempt ' || b.id || ' under fence ' || b.fence
          FROM attempts a JOIN attempts b ON b.record_id = a.record_id AND b.fence > a.fence
           AND b.started_at < a.started_at
    """),
    Check("L8", """
        SELECT 'attempt ' || a.id || ' has fence ' || a.fence || ', but record ' || r.id || ' only ' || r.fence
          FROM attempts a JOIN records r ON r.id = a.record_id WHERE a.fence > r.fence
    """),
    Check("L8", f"""
        SELECT {_NAME} || ' is held by ' || coalesce(r.owner, 'nobody') || ' with a lease that '
               || coalesce('ran out at ' || to_char(r.lease_until, 'YYYY-MM-DD HH24:MI:SS') || ' UTC', 'has no end')
          FROM records r
         WHERE (r.owner IS NULL) <> (r.lease_until IS NULL)
            OR r.lease_until < clock_timestamp() - make_interval(secs => %(stuck_s)s)
    """, "SELECT count(*) FROM records WHERE owner IS NOT NULL"),
)
