"""The run's durable state: one SQLite file."""

from batchgen.ledger.folder_totals import Totals
from batchgen.ledger.ledger import Ledger, just_sent
from batchgen.ledger.listed_images import (
    ListedImage,
    directory_images,
    directory_places,
)
from batchgen.ledger.members import (
    Compaction,
    KeptMember,
    StoredMember,
    count_members,
    stored_members,
)
from batchgen.ledger.meta import Meta
from batchgen.ledger.mode import REHEARSAL, mode_in
from batchgen.ledger.naming import NamedImage, NewName, images_of, new_names
from batchgen.ledger.plan import PlanWriter
from batchgen.ledger.purchases import (
    providers_bought_from,
    purchase_slices,
    purchases_of,
    settle_charge,
    settled_without_note,
    unsettle_charges,
)
from batchgen.ledger.reader import Reader, RiskIncrease, Shape
from batchgen.ledger.records import (
    AttemptEnd,
    AttemptRecord,
    AttemptStart,
    Charged,
    OpenAttempts,
    PlanEntry,
    PlannedRow,
    RowRecord,
    StoredImage,
)
from batchgen.ledger.request_json import load_request, prompt_as_json
from batchgen.ledger.results import result_slices
from batchgen.ledger.route import Candidate, dump_route, load_route

__all__ = [
    "REHEARSAL",
    "AttemptEnd",
    "AttemptRecord",
    "AttemptStart",
    "Candidate",
    "Charged",
    "Compaction",
    "KeptMember",
    "Ledger",
    "ListedImage",
    "Meta",
    "NamedImage",
    "NewName",
    "OpenAttempts",
    "PlanEntry",
    "PlanWriter",
    "PlannedRow",
    "Reader",
    "RiskIncrease",
    "RowRecord",
    "Shape",
    "StoredImage",
    "StoredMember",
    "Totals",
    "count_members",
    "directory_images",
    "directory_places",
    "dump_route",
    "images_of",
    "just_sent",
    "load_request",
    "load_route",
    "mode_in",
    "new_names",
    "prompt_as_json",
    "providers_bought_from",
    "purchase_slices",
    "purchases_of",
    "result_slices",
    "settle_charge",
    "settled_without_note",
    "stored_members",
    "unsettle_charges",
]
