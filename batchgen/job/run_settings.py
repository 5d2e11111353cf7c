"""Settings of a run: its budgets, its pace, and how it reacts to failures."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Literal, TypedDict

from batchgen.job.declaration import Setting
from batchgen.job.prices import PRICE
from batchgen.job.values import (
    MINUTES,
    MONEY,
    NOTIFY_EVENTS,
    RATE,
    SECONDS,
    SHARE,
    TABLE,
    or_auto,
    whole,
)
from batchgen.model.job import Auto, OnDayFull, OnUnknown

Usd = Decimal | float | str


class MoneySettings(TypedDict, total=False):
    """Money."""

    max_cost: Annotated[
        Usd,
        Setting(
            value=MONEY,
            meaning="the most that this run folder may ever cost, all its runs "
            "together, money at risk included. Giving one is your consent to spend up "
            "to it",
            metavar="USD",
            help="Spend at most this in the run folder, all its runs together.",
            example=20,
        ),
    ]
    max_cost_per_day: Annotated[
        Usd,
        Setting(
            value=MONEY,
            meaning="the most for what is sent on one UTC day; no consent to spend by "
            "itself",
            section="budget",
            key="per_day",
            metavar="USD",
            help="Spend at most this on one day (UTC).",
            user_default=True,
            example=10,
        ),
    ]
    on_day_full: Annotated[
        OnDayFull,
        Setting(
            meaning="when the day's budget is used up: end with exit code 4, or go on "
            "after midnight UTC",
            section="budget",
            help="When the day's budget is used up: stop (default), or wait for "
            "the next day (UTC).",
            user_default=True,
            example="wait",
        ),
    ]
    max_cost_by: Annotated[
        Mapping[str, Usd | Mapping[str, Usd]],
        Setting(
            value=TABLE,
            meaning="a budget for each value of a column (see below)",
            section="budget",
            key="by",
            example={"brand": 20, "category": {"*": 15, "shoes": 40}},
        ),
    ]
    price: Annotated[
        Usd | Mapping[str, Usd],
        Setting(
            value=PRICE,
            meaning="price of one image, whatever provider and size",
            default="price list",
            metavar="USD",
            help="Price of one image.",
            user_default=True,
            example=0.05,
        ),
    ]


class PaceSettings(TypedDict, total=False):
    """Pace, and what goes wrong."""

    rpm: Annotated[
        float | Auto,
        Setting(
            value=or_auto(RATE),
            meaning='purchase requests in any 60 seconds, evenly paced; `"auto"` finds '
            "what is allowed, beginning slowly, and remembers it",
            default="the provider's, else no limit",
            help="Purchase requests per minute, at most.",
            per_provider=True,
            user_default=True,
            example=300,
        ),
    ]
    concurrency: Annotated[
        int | Auto,
        Setting(
            value=or_auto(whole(1, 100_000)),
            meaning='purchases under way at once; `"auto"` finds what is allowed',
            help="Purchases under way at once; `auto` finds the limit, as for --rpm.",
            per_provider=True,
            user_default=True,
            example=16,
        ),
    ]
    max_attempts: Annotated[
        int,
        Setting(
            value=whole(1),
            meaning="purchases of one part of a row before it is given up; being "
            "throttled does not count",
            help="How often to buy one part of a row, at most.",
            user_default=True,
            example=3,
        ),
    ]
    on_unknown: Annotated[
        OnUnknown,
        Setting(
            meaning="after a request that may have been charged and brought no image: "
            "buy again, or hold the row for you to decide",
            help="What to do after a request that may have been charged but "
            "brought no image: buy again (default), or hold the row.",
            user_default=True,
            example="hold",
        ),
    ]
    max_unknown: Annotated[
        int,
        Setting(
            value=whole(0),
            meaning="how often to buy again after such an outcome",
            help="How often to buy again when a request may have been charged but "
            "brought no image.",
            user_default=True,
            example=0,
        ),
    ]
    grace: Annotated[
        float,
        Setting(
            value=SECONDS,
            meaning="how long Ctrl-C waits for requests already sent",
            field="grace_s",
            help="Seconds to wait after Ctrl-C for requests already sent (default 60).",
            user_default=True,
            example=30,
        ),
    ]
    max_failures: Annotated[
        float | Literal[False],
        Setting(
            value=SHARE,
            meaning="stop when this share of the last 50 rows was refused or failed by "
            "itself; `false` for never",
            user_default=True,
            example=0.5,
        ),
    ]
    notify_on: Annotated[
        str | Sequence[str],
        Setting(
            value=NOTIFY_EVENTS,
            meaning="what `batchgen run` sends a message about, to the addresses in "
            "`BATCHGEN_NOTIFY_URLS` ([recovery.md](recovery.md))",
            default="nothing",
            section="notify",
            key="on",
            example=["end", "outage"],
        ),
    ]
    notify_outage_minutes: Annotated[
        float,
        Setting(
            value=MINUTES,
            meaning="how long a provider must not have answered before that is sent",
            section="notify",
            key="outage_minutes",
            example=30,
        ),
    ]
    memory: Annotated[
        int,
        Setting(
            # One reply with a 4K image takes 50 megabytes.
            value=whole(64, 65_536, "megabytes"),
            meaning="what replies and downloads may take until they are stored",
            default="256, less in a small container",
            field="memory_mb",
            user_default=True,
            example=512,
        ),
    ]
