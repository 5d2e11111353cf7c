"""Settings of who makes the images, and of single providers."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypedDict

from batchgen.job.declaration import Setting
from batchgen.job.prices import RATES, UNIT_VALUE
from batchgen.job.service_address import BASE_URL, ENDPOINT
from batchgen.job.values import NAMES, TABLE, TEXT, whole
from batchgen.manifest.cell_values import MAX_IMAGES
from batchgen.model.job import FailedTasks, ReferenceTransport, Route, Shutdowns


class ServiceSettings(TypedDict, total=False):
    """Who makes it."""

    provider: Annotated[
        str | Sequence[str],
        Setting(
            value=NAMES,
            meaning='one name, or several: `["gemini", "aimlapi"]` or '
            '`"gemini,aimlapi"`',
            default="must be there, or as option",
            metavar="NAME[,NAME]",
            help="Who makes the images.",
            user_default=True,
            example="gemini",
        ),
    ]
    model: Annotated[
        str | Mapping[str, str],
        Setting(
            value=TEXT,
            meaning="which model; for one provider of several, "
            '`model = { gemini = "..." }`',
            help="Model; the provider's own by default.",
            per_provider=True,
            takes_table=True,
            example="gemini-2.5-flash-image",
        ),
    ]
    base_url: Annotated[
        str | Mapping[str, str],
        Setting(
            value=BASE_URL,
            meaning="where the provider is asked; with several, "
            '`base_url = { openai = "..." }`',
            metavar="[NAME=]URL",
            help="Where a provider is.",
            multiple=True,
            per_provider=True,
            takes_table=True,
            for_one_provider=True,
            user_default=True,
            example="https://api.example.com/v1",
        ),
    ]
    endpoint: Annotated[
        str | Mapping[str, str],
        Setting(
            value=ENDPOINT,
            meaning="path of purchases below the base URL, such as "
            '`"/v1/images/generations"`; `nanobananaapi` also knows the word `"edit"`. '
            "Several: as `base_url`",
            per_provider=True,
            takes_table=True,
            for_one_provider=True,
            user_default=True,
            example="/v1/images/generations",
        ),
    ]
    allow_http: Annotated[
        bool,
        Setting(
            meaning="allow plain `http://` to an address of a private network (this "
            "machine is always allowed)",
            example=True,
        ),
    ]
    route: Annotated[
        Route,
        Setting(
            meaning="with several: each row to the cheapest that can do it, or rows "
            "dealt out by what each may do in a minute",
            help="How rows are spread over several providers.",
            user_default=True,
            example="fastest",
        ),
    ]


class ServiceSections(TypedDict, total=False):
    """Sections of a job file that speak of single providers."""

    prices: Annotated[
        Mapping[str, object],
        Setting(
            value=TABLE,
            meaning="prices of your own, by provider",
            user_default=True,
            example={"gemini": {"1K": 0.05, "*": {"expected": 0.1, "ceiling": 0.2}}},
        ),
    ]
    providers: Annotated[
        Mapping[str, Mapping[str, object]],
        Setting(
            value=TABLE,
            meaning="what holds for one provider alone",
            user_default=True,
            example={"gemini": {"rpm": 60}},
        ),
    ]


class ProviderSettings(TypedDict, total=False):
    """What `[providers.NAME]` alone may state; see also `Setting.per_provider`."""

    images_per_request: Annotated[
        int,
        Setting(
            value=whole(1, MAX_IMAGES),
            meaning="most images that one request may buy",
            user_default=True,
            example=4,
        ),
    ]
    max_references: Annotated[
        int,
        Setting(
            value=whole(0, 1000),
            meaning="most reference images of one request",
            user_default=True,
            example=3,
        ),
    ]
    max_reference_bytes: Annotated[
        int,
        Setting(
            value=whole(1000),
            meaning="size of one reference image",
            user_default=True,
            example=10_485_760,
        ),
    ]
    references: Annotated[
        ReferenceTransport,
        Setting(
            meaning="how files travel where it takes both: with each request, or once "
            "to its store",
            user_default=True,
            example="upload",
        ),
    ]
    usd_per_credit: Annotated[
        float,
        Setting(
            value=UNIT_VALUE,
            meaning="what one credit is worth, where its replies count in credits",
            user_default=True,
            example=0.005,
        ),
    ]
    rates: Annotated[
        Mapping[str, float],
        Setting(
            value=RATES,
            meaning="the same for any unit: `rates = { image_token = 0.00003 }`",
            user_default=True,
            example={"image_token": 0.00003},
        ),
    ]
    failed_tasks: Annotated[
        FailedTasks,
        Setting(
            meaning="whether a task that failed counts as money at risk",
            default='as documented, else `"unknown"`',
            user_default=True,
            example="free",
        ),
    ]
    shutdowns: Annotated[
        Shutdowns,
        Setting(
            meaning="whether rows are refused whose model is known to be off",
            user_default=True,
            example="ignore",
        ),
    ]
