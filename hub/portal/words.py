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
    "REVENUE": marked("Revenue"),
    "EXPENDITURE": marked("Expenditure"),
    "DEBT": marked("Debt"),
    "REVENUE_RECEIPT": marked("Revenue receipt"),
    "CAPITAL_RECEIPT": marked("Capital receipt"),
    "REVENUE_EXPENDITURE": marked("Revenue expenditure"),
    "CAPITAL_EXPENDITURE": marked("Capital expenditure"),
    "ESTIMATE": marked("Estimate"),
    "PLAN": marked("Plan"),
    "DEMAND": marked("Demand"),
    "BILL": marked("Bill"),
    "RECEIPT": marked("Receipt"),
    "PAYMENT": marked("Payment"),
    "DEBIT": marked("Debit"),
    "CREDIT": marked("Credit"),
    "PROPOSED": marked("Proposed"),
    "VOTED": marked("Voted"),
    "APPROVED": marked("Approved"),
    "REVISED": marked("Revised"),
    "SUPPLEMENTARY": marked("Supplementary"),
    "SURRENDER": marked("Surrender"),
    "FOLLOWS": marked("Follows"),
    "PART_OF": marked("Part of"),
    "FUNDED_BY": marked("Funded by"),
    "IMPLEMENTS": marked("Implements"),
    "DRAWS_ON": marked("Draws on"),
    "SETTLES": marked("Settles"),
    "REPLACES": marked("Replaces"),
    "ACCOUNTED": marked("Accounted"),
    "CONCERNS": marked("Concerns"),
    "NONE": marked("None"),
    "PARTIALLY_REVERSED": marked("Partly reversed"),
    "REVERSED": marked("Reversed"),
    "IS_REVERSAL": marked("Reversal"),
    "ACKNOWLEDGED": marked("Acknowledged"),
    "REJECTED": marked("Rejected"),
    "OPEN": marked("Open"),
    "RESTRICTED": marked("Restricted"),
    "ORIGIN": marked("Sender's signature"),
    "ACKNOWLEDGEMENT": marked("Acknowledgement"),
    "APPROVAL": marked("Approval"),
    "REJECTION": marked("Rejection"),
    "RESOLVED": marked("On record"),
    "ALL": marked("All"),
    "ORIGINALS": marked("Without reversals"),
    "REVERSALS": marked("Reversals alone"),
    "EFFECTIVE": marked("What stands"),
    "NEWEST_FIRST": marked("Newest first"),
    "OLDEST_FIRST": marked("Oldest first"),
    "FULL": marked("In full"),
    "PARTIAL": marked("In part"),
    "ERROR": marked("Error"),
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
    "APPROVED": "good",
    "ACKNOWLEDGED": "good",
    "RESOLVED": "good",
    "REJECTED": "bad",
    "REVERSED": "bad",
    "IS_REVERSAL": "bad",
    "PARTIALLY_REVERSED": "warn",
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
