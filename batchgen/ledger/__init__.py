"""The run's durable state: one SQLite file."""

from batchgen.ledger.file_state import mode_in
from batchgen.ledger.ledger import Ledger
from batchgen.ledger.members import (
    Compaction,
    KeptMember,
    ListedImage,
    StoredMember,
    count_members,
    directory_images,
    directory_places,
    stored_members,
)
from batchgen.ledger.meta import Meta
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
    REHEARSAL,
    AttemptEnd,
    AttemptRecord,
    AttemptStart,
    Charged,
    OpenAttempts,
    PlanEntry,
    PlannedRow,
    RowRecord,
    StoredImage,
    Totals,
)
from batchgen.ledger.request_json import prompt_as_json
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
