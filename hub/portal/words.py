"""What codes, states and notices are called on the pages."""

from __future__ import annotations

from hub.codes import Code
from hub.portal.asking import Problem
from hub.portal.languages import gettext, marked

# What a page says after something was done; the address carries the key alone.
NOTICES = {
    "signed-out": marked("You are signed out."),
    "registered": marked("The agency is registered. An operator of the government looks at it next."),
    "changed": marked("Done."),
    "key": marked("The signing key is registered."),
    "invited": marked("The invitation is on its way."),
    "absent": marked("There is nothing at this address, or it is not for you."),
}

# Words of the API's enumerations, as officials say them.
WORDS = {
    "PROVIDER": marked("Provider"),
    "CONSUMER": marked("Consumer"),
    "LIVE": marked("Live"),
    "TEST": marked("Test"),
    "OWNER": marked("Owner"),
    "DEVELOPER": marked("Developer"),
    "APPROVER": marked("Approver"),
    "AUDITOR": marked("Auditor"),
    "READER": marked("Reader"),
    "ACTIVE": marked("Active"),
    "SUSPENDED": marked("Suspended"),
    "CLOSED": marked("Closed"),
    "DRAFT": marked("Draft"),
    "CODE_SENT": marked("Address not confirmed"),
    "EMAIL_VERIFIED": marked("Waiting to be let in"),
    "PENDING": marked("Pending"),
    "RETIRING": marked("Retiring"),
    "RETIRED": marked("Retired"),
    "COMPROMISED": marked("Compromised"),
    "PREPARED": marked("Prepared"),
    "REVOKED": marked("Revoked"),
    "EXPIRED": marked("Expired"),
}


TONES = {
    "ACTIVE": "good",
    "LIVE": "good",
    "PENDING": "warn",
    "PREPARED": "warn",
    "EMAIL_VERIFIED": "warn",
    "RETIRING": "warn",
    "SUSPENDED": "bad",
    "CLOSED": "bad",
    "COMPROMISED": "bad",
    "REVOKED": "bad",
}


def tone(value: str) -> str:
    """How a state is coloured; the word says it too."""
    return TONES.get(value, "")


def word(value: str) -> str:
    """The word for a value of an enumeration; what has none is shown in plain letters."""
    known = WORDS.get(value)
    return gettext(known) if known is not None else value.replace("_", " ").capitalize()


def explain(problem: Problem) -> str:
    """What a problem means, in the visitor's language; the API's own sentence when there is no translation."""
    code = Code.__members__.get(problem.code)
    if code is None:
        return problem.message
    translated = gettext(code.summary)
    return problem.message if translated == code.summary else translated
