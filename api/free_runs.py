"""Numbers in a row that are In Stock."""

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from api.access import needs
from api.facts import parameters
from api.fields import ID, TEXT, answer
from api.inputs import Body
from api.problems import errors_of, invalid, unknown_parameters
from clients.tags import MAX_LABEL
from didmgmt.replica import may_lag
from dids.forms.free_runs import BEST, MULTIPLES, ORDERS, SHOWN, FreeRunsForm
from dids.numbering.free_runs import COUNT_MAX, GAPS_MAX

router = Router(tags=["Numbers"])


class FreeRun(Body):
    """Numbers in a row, and the free run that they are taken from."""

    first: str = Field(examples=["442071838750"])
    last: str = Field(examples=["442071838769"])
    gaps: int = Field(description="How many numbers between them are not In Stock", examples=[0])
    length: int = Field(description="How many numbers the free run has", examples=[24])
    before: int = Field(description="How many of them stay free before the first", examples=[0])
    after: int = Field(description="How many of them stay free after the last", examples=[4])


class LongestRun(Body):
    """The longest free run there is."""

    first: str = Field(examples=["442071838750"])
    last: str = Field(examples=["442071838758"])
    count: int = Field(examples=[9])


class FreeRuns(Body):
    """What was found; ``longest`` is null if something was, or if no number is In Stock."""

    runs: int = Field(description="How many free runs hold so many", examples=[1])
    places: int = Field(description="At how many numbers they could begin", examples=[5])
    items: list[FreeRun] = Field(description=f"The first {SHOWN}")
    longest: LongestRun | None


@router.get(
    "/free-runs",
    operation_id="find_free_runs",
    url_name="find_free_runs",
    summary="Find numbers in a row that are In Stock",
    response=FreeRuns,
    openapi_extra=parameters(
        count=({"type": "integer", "minimum": 1, "maximum": COUNT_MAX}, "Required: how many in a row"),
        multiple=(
            {"type": "integer", "enum": [*MULTIPLES], "default": 1},
            "The first number is a multiple of it",
        ),
        begins=({**TEXT, "maxLength": 40}, "The digits with which they begin, such as 4420"),
        operator=(ID, "The id of an operator"),
        tag=({**TEXT, "maxLength": MAX_LABEL}, "Any of these tags, separated by commas"),
        package=(ID, "The id of a package that allows them; needs the right to see packages"),
        gaps=(
            {"type": "integer", "minimum": 0, "maximum": GAPS_MAX, "default": 0},
            "How many others may lie between them",
        ),
        order=(
            {"type": "string", "enum": [*ORDERS], "default": BEST},
            "best: breaks up the shortest free run; first: the lowest number first",
        ),
    ),
)
@needs("dids.view_did")
@may_lag
def find_free_runs(request: HttpRequest) -> HttpResponse:
    """Return where so many numbers in a row are In Stock. Assign them as a range with `/dids/bulk`."""
    form = FreeRunsForm(request.GET, by=request.user)
    if errors := unknown_parameters(request.GET, form.fields):
        raise invalid(errors)
    if not form.is_valid():
        raise invalid(errors_of(form.errors, request.GET, "?"))
    found, runs = form.find()
    longest = None if found.rows else runs.longest()
    body = {
        "runs": found.runs,
        "places": found.places,
        "items": [run._asdict() for run in found.rows],
        "longest": None,
    }
    if longest:
        first, last = longest
        body["longest"] = {"first": first, "last": last, "count": int(last) - int(first) + 1}
    return answer(body)
