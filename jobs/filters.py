"""The filter of the list of jobs."""

import django_filters

from didmgmt.choices import TickedBoxes
from didmgmt.filters import ChoicesFilter, FilterSet, no_such
from jobs.kinds import KINDS
from jobs.models import Job


class JobFilter(FilterSet):
    state = ChoicesFilter(
        label="State",
        choices=Job.State.choices,
        widget=TickedBoxes,
        error_messages=no_such("job state"),
    )
    kind = django_filters.ChoiceFilter(
        label="Kind",
        choices=lambda: [(kind.name, kind.label) for kind in KINDS.values()],
        empty_label="all kinds",
        error_messages=no_such("job kind"),
    )

    class Meta:
        model = Job
        fields = []
