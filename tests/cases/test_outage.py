"""Kind o: purchases fail at the gateway, while its front door answers questions."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from tests.cases import replies
from tests.cases.conftest import SKIPS_SLOW, Market
from tests.cases.server import Answer, Request, Service

HASTE = 4.0
OUTAGE_S = 20.0 / HASTE
"""Twenty seconds of the customer's."""
ROWS = [f"r{number:03}" for number in range(150)]
AWAY, FRONT = replies.load_all("o-front-door")


@dataclass
class Outage:
    """Lets purchases fail from the n-th on, for a while."""

    begins_at: int
    seconds: float = OUTAGE_S
    began_s: float | None = None
    lost: list[Request] = field(default_factory=list)

    def gate(self, service: Service) -> None:
        def answer(request: Request) -> Answer | None:
            if self.began_s is None and len(service.purchases) >= self.begins_at:
                self.began_s = request.at_s
            is_on = self.began_s is not None and (
                request.at_s < self.began_s + self.seconds
            )
            if not is_on:
                return slowly(service, request)
            self.lost.append(request)
            return AWAY

        service.gate = answer

    @property
    def lost_at_once(self) -> int:
        """How many were lost in its first second: those in flight when it began."""
        end_s = self.lost[0].at_s + 1 / HASTE
        return sum(request.at_s < end_s for request in self.lost)


def slowly(service: Service, request: Request) -> Answer:
    """Return the usual answer, a little later: so that sixteen are in flight."""
    return replace(service.dialect(service, request), delay_s=0.05 / HASTE)


@pytest.mark.parametrize("begins_at", [1, 20, 140], ids=["at once", "early", "late"])
def test_an_outage_with_a_living_front_door_loses_no_row(
    market: Market, begins_at: int
) -> None:
    customer, service = market.enter("openai")
    outage = Outage(begins_at)
    outage.gate(service)
    service.paths["/v1/images/generations"] = [FRONT]
    customer.write(ROWS)
    outcome = customer.run("--concurrency", "16", within_s=120, haste=HASTE)
    outcome.ends(0, others="succeeded")
    assert len(outage.lost) <= 120, outcome.explain()
    asked_again = sum(row["attempts"] > 1 for row in outcome.rows.values())
    assert asked_again <= len(outage.lost), outcome.explain()
    assert outage.lost_at_once <= 20, outcome.explain()


@pytest.mark.skipif(SKIPS_SLOW, reason="waits for minutes")
@pytest.mark.timeout(700)
@pytest.mark.parametrize("provider", ["openai", "foxapi"])
def test_two_poison_rows_at_the_end_do_not_wait_for_hours(
    market: Market, provider: str
) -> None:
    customer, service = market.enter(provider)
    service.rows = {"r018": [AWAY], "r019": [AWAY]}
    customer.write(ROWS[:20])
    outcome = customer.run(within_s=600)
    assert outcome.code == 3, outcome.explain()
    assert outcome.count("succeeded") == 18, outcome.explain()
    statuses = outcome.statuses()
    assert {statuses["r018"], statuses["r019"]} <= {"failed", "held"}
    assert service.purchases_of("r018") + service.purchases_of("r019") <= 10
