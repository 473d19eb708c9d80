"""The SQL of the hot path: one statement to reserve, one to settle, so that each is one round trip and atomic.

Locks are always taken in one order, the reservation first, then the limits by id; a limit row is held for the length of
one statement. Under READ COMMITTED, FOR UPDATE gives the newest version of a row that had to be waited for, so two
callers can't both see the same room.

Counters belong to the UTC day in `day`; the first reservation of a new day starts them at zero. A call that is settled
after midnight no longer touches the new day's counters.
"""

RESERVE = """
WITH locked AS MATERIALIZED (
  SELECT id, name, unit, day, used, reserved, enabled,
         COALESCE(amount, (%(amounts)s::jsonb ->> name)::numeric) AS amount
    FROM budget_limit WHERE scope = 'all' OR scope = %(scope)s ORDER BY id FOR UPDATE
), today AS (
  -- Never before a limit's own day: who waited for a lock across midnight counts into the day that has begun.
  SELECT GREATEST((clock_timestamp() AT TIME ZONE 'UTC')::date, (SELECT max(day) FROM locked)) AS day
), counted AS (
  SELECT l.id, l.name, l.unit, l.amount, l.enabled,
         CASE WHEN l.day = t.day THEN l.used ELSE 0 END AS used,
         CASE WHEN l.day = t.day THEN l.reserved ELSE 0 END AS reserved,
         CASE WHEN l.unit = 'usd' THEN %(usd_bound)s::numeric ELSE %(tokens_bound)s::numeric END AS bound
    FROM locked l CROSS JOIN today t
), refused AS (
  SELECT name, unit, amount, amount - used - reserved AS room, bound FROM counted
   WHERE enabled AND bound > 0 AND used + reserved + bound > amount ORDER BY id LIMIT 1
), frozen AS (
  SELECT 1 FROM ops_switch WHERE name = 'freeze' AND "on"
), added AS (
  UPDATE budget_limit SET day = t.day, used = c.used, reserved = c.reserved + c.bound
    FROM counted c CROSS JOIN today t WHERE budget_limit.id = c.id
     AND NOT EXISTS (SELECT FROM refused) AND NOT EXISTS (SELECT FROM frozen)
), inserted AS (
  INSERT INTO budget_reservation (state, scope, purpose, provider, model, tokens_bound, output_bound, usd_bound,
         cost_known, day, job_ref, thread_ref, person_ref, sent_at, created_at, expires_at)
  SELECT 'open', %(scope)s, %(purpose)s, %(provider)s, %(model)s, %(tokens_bound)s, %(output_bound)s, %(usd_bound)s,
         %(cost_known)s, t.day, %(job_ref)s, %(thread_ref)s, %(person_ref)s,
         CASE WHEN %(sent)s THEN clock_timestamp() END, clock_timestamp(), clock_timestamp() + %(lasts)s
    FROM today t WHERE NOT EXISTS (SELECT FROM refused) AND NOT EXISTS (SELECT FROM frozen)
  RETURNING id, day, sent_at, created_at, expires_at
)
SELECT EXISTS (SELECT FROM frozen), i.id, i.sent_at, i.created_at, i.expires_at, t.day,
       r.name, r.unit, r.amount, r.room, r.bound
  FROM today t LEFT JOIN inserted i ON true LEFT JOIN refused r ON true
"""

# Takes the reservation out of the limits, and puts in what was charged. A limit made after the reservation never held
# it. The counters are those of the reservation's day only.
_MOVE = """
), held AS MATERIALIZED (
  SELECT l.id, CASE WHEN l.unit = 'usd' THEN c.usd_bound ELSE c.tokens_bound END AS bound,
         CASE WHEN l.unit = 'usd' THEN {usd} ELSE {tokens} END AS charge
    FROM budget_limit l JOIN closed c ON l.day = c.day AND l.created_at <= c.created_at
     AND (l.scope = 'all' OR l.scope = c.scope) ORDER BY l.id FOR UPDATE OF l
), moved AS (
  UPDATE budget_limit l SET reserved = GREATEST(l.reserved - h.bound, 0), used = l.used + h.charge
    FROM held h WHERE l.id = h.id
"""

_CLOSE = """
WITH closed AS (
  UPDATE budget_reservation SET state = '{state}', closed_at = clock_timestamp()
   WHERE id = %(id)s AND state = 'open' {only}
  -- Need not reach the disk by itself: lost, it would be found as open by the sweep and charged in full.
  RETURNING *, set_config('synchronous_commit', 'off', true) AS relaxed
"""

_LEDGER = """
)
INSERT INTO budget_ledgerentry (reservation_id, day, outcome, scope, purpose, provider, model, input_tokens,
       output_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, unit, quantity, cost_usd,
       job_ref, thread_ref, person_ref, request_id, latency_ms, stop_reason, error, created_at)
SELECT c.id, c.day, %(outcome)s, c.scope, c.purpose, c.provider, {columns}, %(unit)s, %(quantity)s, {cost},
       c.job_ref, c.thread_ref, c.person_ref, %(request_id)s, %(latency_ms)s, %(stop_reason)s, %(error)s,
       clock_timestamp()
  FROM closed c
RETURNING *
"""

SETTLE = (
    _CLOSE.format(state="settled", only="")
    + _MOVE.format(usd="%(charged_usd)s::numeric", tokens="%(tokens)s::numeric")
    + _LEDGER.format(
        columns="%(model)s, %(input_tokens)s, %(output_tokens)s, "
        "%(cache_write_5m_tokens)s, %(cache_write_1h_tokens)s, %(cache_read_tokens)s",
        cost="%(cost_usd)s::numeric",
    )
)

CHARGE_UNKNOWN = (
    _CLOSE.format(state="settled", only="AND sent_at IS NOT NULL")
    + _MOVE.format(usd="c.usd_bound", tokens="c.tokens_bound")
    + _LEDGER.format(
        columns="c.model, c.tokens_bound - c.output_bound, c.output_bound, 0, 0, 0",
        cost="CASE WHEN c.cost_known THEN c.usd_bound END",
    )
)

RELEASE = _CLOSE.format(state="{state}", only="{only}") + _MOVE.format(usd="0", tokens="0") + ") SELECT id FROM closed"
