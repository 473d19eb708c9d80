"""What calls to paid models may cost and did cost: prices, limits, reservations, the ledger. No I/O, no logic."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q


class Scope(models.TextChoices):
    """On whose behalf money is spent: a person asked (reactive), or the agent itself (proactive)."""

    REACTIVE = "reactive"
    PROACTIVE = "proactive"


def _rate(**options: object) -> "models.DecimalField[Decimal, Decimal]":
    return models.DecimalField(max_digits=14, decimal_places=6, help_text="USD per million tokens", **options)  # type: ignore[arg-type]


class Price(models.Model):
    """One model's rates during a span of days, both ends included (UTC days)."""

    model = models.CharField(max_length=200)
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)
    threshold_input_tokens = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="A request with more input than this, caches included, pays the upper rates"
    )
    input = _rate()
    output = _rate()
    cache_write_5m = _rate()
    cache_write_1h = _rate()
    cache_read = _rate()
    input_above = _rate(null=True, blank=True)
    output_above = _rate(null=True, blank=True)
    cache_write_5m_above = _rate(null=True, blank=True)
    cache_write_1h_above = _rate(null=True, blank=True)
    cache_read_above = _rate(null=True, blank=True)
    geo_us_factor = models.DecimalField(
        max_digits=6, decimal_places=3, default=Decimal(1), help_text="On every token class when inference_geo is us"
    )
    fast_factor = models.DecimalField(
        max_digits=6, decimal_places=3, null=True, blank=True, help_text="With speed fast; empty: cost unknown"
    )
    source = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["model", "-valid_from"]
        constraints = [
            # Two cards that start on one day would make the price a matter of row order.
            models.UniqueConstraint(fields=["model", "valid_from"], name="price_one_card_a_day"),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")), name="price_ends_after_it_starts"
            ),
            # A threshold without upper rates would price long requests at nothing.
            models.CheckConstraint(
                condition=Q(threshold_input_tokens__isnull=True)
                | Q(
                    input_above__isnull=False,
                    output_above__isnull=False,
                    cache_write_5m_above__isnull=False,
                    cache_write_1h_above__isnull=False,
                    cache_read_above__isnull=False,
                ),
                name="price_threshold_has_upper_rates",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} from {self.valid_from}"


class Limit(models.Model):
    """A hard daily limit with the counters of one UTC day. `amount` empty: the setting named in limits.SETTINGS."""

    class Unit(models.TextChoices):
        USD = "usd"
        TOKENS = "tokens"

    class Covers(models.TextChoices):
        ALL = "all"
        PROACTIVE = "proactive"

    name = models.CharField(max_length=60, unique=True)
    unit = models.CharField(max_length=10, choices=Unit.choices)
    scope = models.CharField(max_length=10, choices=Covers.choices, default=Covers.ALL)
    amount = models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True)
    enabled = models.BooleanField(default=True)
    day = models.DateField(help_text="The UTC day that used and reserved belong to")
    used = models.DecimalField(max_digits=24, decimal_places=12, default=0)
    reserved = models.DecimalField(max_digits=24, decimal_places=12, default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            # Only limits that have a setting may leave the amount open: one without any would never hold.
            models.CheckConstraint(
                condition=Q(amount__isnull=False) | Q(name__in=["daily_cost_usd", "proactive_daily_tokens"]),
                name="limit_amount_or_setting",
            ),
            models.CheckConstraint(condition=Q(used__gte=0, reserved__gte=0), name="limit_counters_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name


class Reservation(models.Model):
    """The upper bound of one call, held against the limits from before it leaves until its end is known."""

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"  # it has its ledger entry
        RELEASED = "released"  # the call never left, and its caller said so
        LAPSED = "lapsed"  # the call never left, found by the sweep

    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    purpose = models.CharField(max_length=40)
    provider = models.CharField(max_length=100)
    model = models.CharField(max_length=200)
    tokens_bound = models.PositiveBigIntegerField(help_text="Input and output together")
    output_bound = models.PositiveBigIntegerField(default=0, help_text="The part of tokens_bound that is output")
    usd_bound = models.DecimalField(max_digits=24, decimal_places=12, help_text="Unknown model: at the dearest price")
    cost_known = models.BooleanField(default=True, help_text="No: usd_bound counts for the limits only")
    day = models.DateField(help_text="The UTC day whose limits it counts against")
    job_ref = models.CharField(max_length=60, blank=True)
    thread_ref = models.CharField(max_length=60, blank=True)
    person_ref = models.CharField(max_length=60, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="From then on the provider may have counted it")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            # The sweep looks for open ones past their expiry; there are never many.
            models.Index(fields=["expires_at"], condition=Q(state="open"), name="reservation_open_by_expiry"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="reservation_closed_has_time",
            ),
            models.CheckConstraint(condition=Q(tokens_bound__gte=F("output_bound")), name="reservation_bound_covers"),
        ]

    def __str__(self) -> str:
        return f"reservation:{self.pk}"


class LedgerEntry(models.Model):
    """One call that left: what it used and cost. Never changed afterwards."""

    class Outcome(models.TextChoices):
        SETTLED = "settled"  # the provider's own usage
        FAILED = "failed"  # the provider refused it and counted nothing
        UNKNOWN = "unknown"  # its end is not known: charged in full at the reservation, flagged

    reservation = models.OneToOneField(Reservation, on_delete=models.PROTECT, related_name="entry")
    day = models.DateField(help_text="The UTC day whose limits it counts against")
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    scope = models.CharField(max_length=10, choices=Scope.choices)
    purpose = models.CharField(max_length=40)
    provider = models.CharField(max_length=100)
    model = models.CharField(max_length=200)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_5m_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_1h_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    unit = models.CharField(max_length=20, blank=True, help_text="What else was used, such as web searches")
    quantity = models.DecimalField(max_digits=18, decimal_places=6, default=0)
    cost_usd = models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True, help_text="Empty: unknown")
    job_ref = models.CharField(max_length=60, blank=True)
    thread_ref = models.CharField(max_length=60, blank=True)
    person_ref = models.CharField(max_length=60, blank=True)
    request_id = models.CharField(max_length=200, blank=True)
    latency_ms = models.PositiveIntegerField(default=0)
    stop_reason = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "ledger entries"
        indexes = [
            # The day's spend, on the front page and by `spend`.
            models.Index(fields=["day", "scope"], name="ledger_by_day"),
            # What one job, or one thread, has cost: shown on their pages.
            models.Index(fields=["job_ref"], condition=~Q(job_ref=""), name="ledger_by_job"),
            models.Index(fields=["thread_ref", "day"], condition=~Q(thread_ref=""), name="ledger_by_thread"),
            # Flagged entries are few, and looked for as such.
            models.Index(fields=["created_at"], condition=Q(outcome="unknown"), name="ledger_flagged"),
        ]

    def __str__(self) -> str:
        return f"ledger:{self.pk}"

    @property
    def tokens(self) -> int:
        """Counted tokens: input, output, cache write and cache read."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + self.output_tokens + written + self.cache_read_tokens
