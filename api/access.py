"""Who sends a request, by the token in its Authorization header, and what they may do."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from api.problems import ProblemError
from api.rates import count_request
from didmgmt.text import BIGGEST
from staff.rights import in_words
from staff.tokens import TokenRefusedError, user_of


class TokenAuth(HttpBearer):
    """Authenticate a request; ``request.auth`` and ``request.user`` are the owner with the token's rights.

    Reads no session and no cookie. Times without a zone are in UTC, whoever the owner is.
    """

    def __call__(self, request: HttpRequest) -> Any:
        return self.admit(request, request.headers.get("Authorization", ""))

    def admit(self, request: HttpRequest, authorization: str) -> Any:
        """Return the user of a token; raise ProblemError if it is refused or sends too many requests."""
        try:
            request.user = user_of(authorization, request.META.get("REMOTE_ADDR", ""))
        except TokenRefusedError as refusal:
            headers = {"WWW-Authenticate": "Bearer"}
            raise ProblemError(401, f"token_{refusal.code}", str(refusal), headers=headers) from None
        token: Any = request.user.token  # type: ignore[union-attr]
        request.rate, excess = count_request(token.pk)  # type: ignore[attr-defined]
        if excess:
            raise ProblemError(429, "too_many_requests", excess)
        timezone.activate(UTC)  # until the end of the request, see TimeZoneMiddleware
        return request.user

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError  # __call__ does without it


def needs(*permissions: str) -> Callable[[Any], Any]:
    """Refuse users who lack one of ``permissions``, naming it in words; the document lists them."""

    def guard(operation: Any) -> Any:
        @wraps(operation)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            for permission in permissions:
                if not request.user.has_perm(permission):
                    raise lacks(permission)
            return operation(request, *args, **kwargs)

        guarded.permissions = permissions  # type: ignore[attr-defined]
        return guarded

    return guard


def also_needs(rights: Mapping[str, Iterable[str]]) -> Callable[[Any], Any]:
    """Document rights that an operation checks itself: {for what: permissions, of which one is enough}."""

    def mark(operation: Any) -> Any:
        operation.rights = {what: (*permissions,) for what, permissions in rights.items()}
        return operation

    return mark


def needs_scope(resource: str, level: str) -> Callable[[Any], Any]:
    """Refuse tokens without a scope that passes no permission on, see ``staff.scopes``."""

    def guard(operation: Any) -> Any:
        @wraps(operation)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            check_scope(request.user, resource, level)
            return operation(request, *args, **kwargs)

        guarded.scope = f"{resource}:{level}"  # type: ignore[attr-defined]
        return guarded

    return guard


def check_scope(user: Any, resource: str, level: str) -> None:
    """Raise ProblemError for a token without this scope."""
    if (resource, level) not in user.scopes:
        sentence = f"Your token doesn’t include {resource}:{level}. Make one with this scope."
        raise ProblemError(403, "forbidden", sentence, scope=f"{resource}:{level}")


def lacks(permission: str) -> ProblemError:
    """Return the refusal of a user without a permission."""
    sentence = (
        f"You don’t have the right “{in_words(permission)}”, or your token doesn’t include it."
        " Ask an administrator for it."
    )
    return ProblemError(403, "forbidden", sentence, permission=permission)


def with_id(records: Any, pk: int) -> Any:
    """Return the record with an id from an address as a queryset, empty for one that no database can hold."""
    return records.filter(pk=pk) if 0 < pk <= BIGGEST else records.none()


def found(record: Any, what: str) -> Any:
    """Return ``record``; raise Http404 if it is None, also for one of another reseller."""
    if record is None:
        raise Http404(f"There is no {what}.")
    return record
