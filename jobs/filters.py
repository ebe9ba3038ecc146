import django_filters

from didmgmt.choices import TickedBoxes
from didmgmt.filters import FilterSet
from jobs.kinds import KINDS
from jobs.models import Job


class JobFilter(FilterSet):
    """The jobs that an address asks for, of those that ``user`` may see."""

    state = django_filters.MultipleChoiceFilter(
        label="State",
        choices=Job.State.choices,
        widget=TickedBoxes,
        error_messages={"invalid_choice": "“%(value)s” is no state of a job."},
    )
    kind = django_filters.ChoiceFilter(
        label="Kind",
        choices=lambda: [(kind.name, kind.label) for kind in KINDS.values()],
        empty_label="all kinds",
        error_messages={"invalid_choice": "“%(value)s” is no kind of job."},
    )

    class Meta:
        model = Job
        fields = []
