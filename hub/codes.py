"""Every error and warning code of the API, each with its meaning. The list only grows."""

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """A code that never changes its meaning; documented one by one in docs/errors.md."""

    summary: str

    def __new__(cls, value: str, summary: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.summary = summary
        return member

    # Registration
    AGENCY_NAME = "AGENCY_NAME", "The agency's name is missing, shorter than 2 or longer than 256 characters."
    AGENCY_DUPLICATE = (
        "AGENCY_DUPLICATE",
        "An agency of this name is already registered with this government.",
    )
    CONTACT_NAME = "CONTACT_NAME", "The contact person's name is missing or not 2 to 128 characters long."
    CONTACT_PHONE = "CONTACT_PHONE", "The phone number is not in E.164 form: a plus sign and 8 to 15 digits."
    CONTACT_EMAIL = "CONTACT_EMAIL", "The e-mail address is missing or malformed."
    EMAIL_DOMAIN_NOT_OFFICIAL = (
        "EMAIL_DOMAIN_NOT_OFFICIAL",
        "The e-mail address is at a free-mail domain, or not at one this government allows.",
    )
    OTP_INVALID = "OTP_INVALID", "The one-time code is wrong, used, or was never asked for."
    OTP_EXPIRED = "OTP_EXPIRED", "The one-time code is older than 10 minutes."
    OTP_LOCKED = "OTP_LOCKED", "Five wrong tries have used this one-time code up."
    OTP_RATE_LIMIT = (
        "OTP_RATE_LIMIT",
        "Too many one-time codes were asked for: one a minute and six a day per account.",
    )
    OTP_SESSION = "OTP_SESSION", "The one-time code was asked for from another browser session."
    AGENCY_NOT_ACTIVE = "AGENCY_NOT_ACTIVE", "The agency is not verified, not approved, suspended or closed."
    PERSON_ROLE = "PERSON_ROLE", "The role is unknown, or the agency would be left without an owner."

    # Systems and keys
    SYSTEM_NAME = "SYSTEM_NAME", "The system's name is missing or not 2 to 64 characters long."
    SYSTEM_ID_TAKEN = "SYSTEM_ID_TAKEN", "This unique system id is, or once was, in use."
    ROLE_REQUIRED = "ROLE_REQUIRED", "A system is a provider, a consumer or both."
    SYSTEM_NOT_ACTIVE = "SYSTEM_NOT_ACTIVE", "The system is suspended or closed."
    UNAUTHENTICATED = "UNAUTHENTICATED", "No valid API key or session came with the request."
    KEY_REVOKED = "KEY_REVOKED", "This API key was replaced or revoked."
    KEY_EXPIRED = "KEY_EXPIRED", "This key is past its validity."
    KEY_PENDING = "KEY_PENDING", "This key is not active yet."
    KEY_LENGTH = "KEY_LENGTH", "A public key has exactly 32 bytes, given in base64."
    KEY_ENCODING = "KEY_ENCODING", "The public key is not in canonical encoding."
    KEY_SMALL_ORDER = (
        "KEY_SMALL_ORDER",
        "The public key is a point of small order, under which anybody could sign.",
    )
    KEY_NOT_ON_CURVE = "KEY_NOT_ON_CURVE", "The public key is not a point of the curve's main subgroup."
    KEY_MIXED_ORDER = "KEY_MIXED_ORDER", "The public key is not a point of the prime-order group."
    KEY_DUPLICATE = "KEY_DUPLICATE", "This public key is already registered."
    KEY_STATE = "KEY_STATE", "The signing key's state does not allow this step."
    KEY_POSSESSION = "KEY_POSSESSION", "The challenge was not signed with the private half of this key."
    ROLE_NOT_ALLOWED = "ROLE_NOT_ALLOWED", "The caller's role does not allow this."
    SCOPE_NOT_ALLOWED = "SCOPE_NOT_ALLOWED", "Outside the caller's scope."
    STEP_UP_REQUIRED = "STEP_UP_REQUIRED", "This step asks for a fresh one-time code."
    SECOND_FACTOR_REQUIRED = (
        "SECOND_FACTOR_REQUIRED",
        "This step asks for a fresh code of the second factor.",
    )
    SECOND_FACTOR_MISSING = "SECOND_FACTOR_MISSING", "This step asks for a second factor; enrol one first."
    SECOND_FACTOR_INVALID = "SECOND_FACTOR_INVALID", "The code of the second factor is wrong or was used."
    SECOND_FACTOR_LOCKED = (
        "SECOND_FACTOR_LOCKED",
        "Too many wrong codes: the second factor is locked for a while.",
    )
    SECOND_FACTOR_STATE = (
        "SECOND_FACTOR_STATE",
        "There is a second factor already, or none, or its enrolment was not begun.",
    )
    NOT_FOUND = "NOT_FOUND", "There is no such thing, or it is not visible to the caller."

    # Envelope
    KIND = "KIND", "The kind of posting is missing or unknown."
    SENDER_MISMATCH = "SENDER_MISMATCH", "`from` names another system than the one whose key was used."
    RECEIVER_REQUIRED = "RECEIVER_REQUIRED", "A message needs at least one receiver."
    RECEIVER_UNKNOWN = "RECEIVER_UNKNOWN", "A receiver is not a registered, active system of this government."
    RECEIVER_NOT_CONSUMER = "RECEIVER_NOT_CONSUMER", "A receiver is not a consumer."
    RECEIVER_LIMIT = "RECEIVER_LIMIT", "At most 100 receivers."
    SCHEMA_VERSION = "SCHEMA_VERSION", "This schema version is not supported."
    CLASSIFICATION = "CLASSIFICATION", "The classification is unknown."
    TENANT_ID = "TENANT_ID", "The government is missing, unknown or not active."
    TENANT_NOT_ALLOWED = "TENANT_NOT_ALLOWED", "The caller may not act for this government."

    # Body of a posting
    TYPE = "TYPE", "The type is missing or unknown."
    TYPE_NOT_OPEN = "TYPE_NOT_OPEN", "This type is reserved and not open yet."
    MAJOR_TYPE = "MAJOR_TYPE", "The major type does not fit the type."
    EVENT_TYPE = "EVENT_TYPE", "The sub-type is missing or unknown."
    SUBTYPE_NOT_ALLOWED = "SUBTYPE_NOT_ALLOWED", "This sub-type is not allowed for the major type."
    QUALIFIER = "QUALIFIER", "An estimate needs a qualifier."
    ATTRIBUTE_GROUP = (
        "ATTRIBUTE_GROUP",
        "The attribute group is unknown or does not fit process, sub-type or major type.",
    )
    CORE_ATTRIBUTE_MISSING = "CORE_ATTRIBUTE_MISSING", "A core attribute of the group is missing."
    ATTRIBUTE_TYPE = "ATTRIBUTE_TYPE", "An attribute's value does not have the type the catalogue states."
    ATTRIBUTE_KEY = (
        "ATTRIBUTE_KEY",
        "Attribute keys are lower-case letters, digits and underscores, at most 64.",
    )
    ATTRIBUTE_CHECK = "ATTRIBUTE_CHECK", "Attributes contradict each other by the catalogue's formula."
    ATTRIBUTES_SIZE = "ATTRIBUTES_SIZE", "Attributes are larger than 64 KiB."
    REFERENCE_ID = "REFERENCE_ID", "The reference id is missing."
    REFERENCE_ID_LENGTH = "REFERENCE_ID_LENGTH", "The reference id is longer than 64 characters."
    EVENT_TIME = "EVENT_TIME", "The event time is missing or before 1950."
    EVENT_TIME_FUTURE = "EVENT_TIME_FUTURE", "The event time is more than five minutes ahead."
    AMOUNT_DETAILS = "AMOUNT_DETAILS", "An event needs at least one line."
    LINE_LIMIT = "LINE_LIMIT", "At most 1,000 lines."
    TEXT = "TEXT", "A text is too long, empty or holds characters that cannot be stored."
    TEXT_NOT_NFC = "TEXT_NOT_NFC", "Signed text must be in Unicode normalization form C."
    NUMBER_NOT_ALLOWED = (
        "NUMBER_NOT_ALLOWED",
        "Signed data holds no floating-point numbers and no integers beyond 2^53-1; send a string.",
    )
    NESTING = "NESTING", "Signed data is nested too deeply."
    CONTENT_SIZE = "CONTENT_SIZE", "The signed content is larger than 5 MiB."

    # Lines
    LINE_NO = "LINE_NO", "Line numbers start at 1 and are unique within the posting."
    AMOUNT = "AMOUNT", "The amount is missing, not a decimal string, or 10^15 or more."
    AMOUNT_SCALE = "AMOUNT_SCALE", "The amount has more decimal places than its currency."
    NEGATIVE_AMOUNT = (
        "NEGATIVE_AMOUNT",
        "Negative amounts are for reversals and revised or surrendered estimates.",
    )
    ZERO_AMOUNT = "ZERO_AMOUNT", "Zero is allowed on estimates and plans only."
    CURRENCY = "CURRENCY", "The currency is unknown, or a posting mixes currencies."
    COA_CODE = "COA_CODE", "The chart-of-accounts code is missing."
    COA_CODE_INVALID = (
        "COA_CODE_INVALID",
        "The chart-of-accounts code is not valid for this government at the event's time.",
    )
    PERIOD_MISSING = "PERIOD_MISSING", "Period start and end are required."
    PERIOD_ORDER = "PERIOD_ORDER", "The period ends before it starts."
    PERIOD_SPAN = "PERIOD_SPAN", "The period is longer than 5 years (10 for plans)."
    ADMIN_CODE_INVALID = (
        "ADMIN_CODE_INVALID",
        "The administrative hierarchy code is not valid at the event's time.",
    )
    LOCATION_CODE_INVALID = "LOCATION_CODE_INVALID", "The location code is not valid at the event's time."
    PROGRAM_CODE_INVALID = "PROGRAM_CODE_INVALID", "The program code is not valid at the event's time."
    PROJECT_CODE_INVALID = "PROJECT_CODE_INVALID", "The project code is not valid at the event's time."
    PROJECT_CLOSED = "PROJECT_CLOSED", "The project is closed."
    DEPARTMENT_CODE_INVALID = (
        "DEPARTMENT_CODE_INVALID",
        "The department code is not valid at the event's time.",
    )
    TAG_SHARE = "TAG_SHARE", "A tag's share is above 0 and at most 1, with at most four decimals."
    TAG_SEGMENT = "TAG_SEGMENT", "The tag's registry or target segment is missing or unknown."
    TAG_LIMIT = "TAG_LIMIT", "At most ten tags on a line."

    # Attachments and signatures
    ATTACHMENT_DIGEST = "ATTACHMENT_DIGEST", "The document's bytes do not have the stated SHA-256."
    ATTACHMENT_TYPE = "ATTACHMENT_TYPE", "This media type is not accepted."
    ATTACHMENT_SIZE = "ATTACHMENT_SIZE", "The document is larger than allowed, or not of the stated size."
    ATTACHMENT_LIMIT = "ATTACHMENT_LIMIT", "At most 20 attachments."
    ATTACHMENT_KEY = "ATTACHMENT_KEY", "A key is 1 to 64, a value at most 1,024 characters."
    ATTACHMENT_MISSING = "ATTACHMENT_MISSING", "No document of this digest was uploaded."
    SIGNER_NOT_ALLOWED = "SIGNER_NOT_ALLOWED", "This system may not sign this posting."
    SIGNATURE_KEY = (
        "SIGNATURE_KEY",
        "The signing key is unknown, another system's, or not valid at the time of signing.",
    )
    SIGNATURE_TIME = (
        "SIGNATURE_TIME",
        "The time of signing is more than five minutes from the time of arrival.",
    )
    SIGNATURE_INVALID = "SIGNATURE_INVALID", "The signature does not verify over these bytes."
    SIGNATURE_COMMENT_REQUIRED = "SIGNATURE_COMMENT_REQUIRED", "A rejection needs a comment."
    SIGNATURE_PURPOSE = (
        "SIGNATURE_PURPOSE",
        "This purpose cannot be used here, or was already used by this system with other content.",
    )
    SIGNATURE_REQUIRED = "SIGNATURE_REQUIRED", "A posting must be signed."
    SIGNATURE_TWICE = "SIGNATURE_TWICE", "A batch is signed as a whole or item by item, not both."

    # Duplicates, reversals and links
    DUPLICATE_REFERENCE_CONFLICT = (
        "DUPLICATE_REFERENCE_CONFLICT",
        "This reference id was already posted with other content.",
    )
    IDEMPOTENCY_KEY = "IDEMPOTENCY_KEY", "The idempotency key is missing or longer than 255 characters."
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT", "This idempotency key was already used with other content."
    REVERSAL_NOT_FOUND = "REVERSAL_NOT_FOUND", "The posting to reverse does not exist or is not visible."
    REVERSAL_NOT_OWNER = "REVERSAL_NOT_OWNER", "Only the system that posted it can reverse it."
    REVERSAL_MISMATCH = (
        "REVERSAL_MISMATCH",
        "A reversal repeats kind, type, major type, sub-type, currency and receivers of the original.",
    )
    REVERSAL_LINE = "REVERSAL_LINE", "A reversal line must name a line of the original and repeat its codes."
    REVERSAL_SIGN = "REVERSAL_SIGN", "A reversal's amounts have the opposite sign of the original's."
    REVERSAL_EXCEEDS = "REVERSAL_EXCEEDS", "More would be reversed than is left."
    REVERSAL_OF_REVERSAL = "REVERSAL_OF_REVERSAL", "A reversal cannot be reversed; post the event again."
    REVERSAL_HAS_CHILDREN = "REVERSAL_HAS_CHILDREN", "Postings that settle this one must be reversed first."
    REVERSAL_REASON = "REVERSAL_REASON", "The reason is unknown, or OTHER came without a comment."
    LINKED_EVENT_ID = "LINKED_EVENT_ID", "A linked posting does not exist."
    LINK_LIMIT = "LINK_LIMIT", "At most 20 links."
    LINK_CYCLE = "LINK_CYCLE", "The link would make a posting its own ancestor."
    LINK_NOT_VISIBLE = "LINK_NOT_VISIBLE", "A linked posting is not visible to the sender."
    RELATION_NOT_ALLOWED = "RELATION_NOT_ALLOWED", "This relation is not allowed between these two postings."
    OVER_SETTLED = "OVER_SETTLED", "More would be settled than the linked posting's net amount."

    # Registries
    CODE = "CODE", "The code is missing or malformed."
    NAME = "NAME", "The name is missing or has the wrong length."
    COA_DIGITS = "COA_DIGITS", "Heads of account consist of digits."
    COA_PARENT_MISSING = "COA_PARENT_MISSING", "A head of account needs its ancestors."
    MAJOR_HEAD = "MAJOR_HEAD", "The major head is missing."
    SUB_MAJOR_HEAD = "SUB_MAJOR_HEAD", "The sub-major head is missing."
    MINOR_HEAD = "MINOR_HEAD", "The minor head is missing."
    SUB_HEAD = "SUB_HEAD", "The sub-head is missing."
    GROUP_HEAD = "GROUP_HEAD", "The group head is missing."
    OBJECT_HEAD = "OBJECT_HEAD", "The object head is missing."
    MAJOR_HEAD_CODE_LENGTH = "MAJOR_HEAD_CODE_LENGTH", "A major head has 4 digits."
    SUB_MAJOR_HEAD_CODE_LENGTH = "SUB_MAJOR_HEAD_CODE_LENGTH", "A sub-major head has 2 digits."
    MINOR_HEAD_CODE_LENGTH = "MINOR_HEAD_CODE_LENGTH", "A minor head has 3 digits."
    SUB_HEAD_CODE_LENGTH = "SUB_HEAD_CODE_LENGTH", "A sub-head has 2 digits."
    GROUP_HEAD_CODE_LENGTH = "GROUP_HEAD_CODE_LENGTH", "A group head has 2 digits."
    OBJECT_HEAD_CODE_LENGTH = "OBJECT_HEAD_CODE_LENGTH", "An object head has 2 digits."
    DUPLICATE_COA_CODE = "DUPLICATE_COA_CODE", "This head of account exists already."
    HIERARCHY_ROOT_EXISTS = "HIERARCHY_ROOT_EXISTS", "The department has a root level already."
    HIERARCHY_LEVEL_TAKEN = "HIERARCHY_LEVEL_TAKEN", "The parent level has a child level already."
    HIERARCHY_TOO_DEEP = "HIERARCHY_TOO_DEEP", "The hierarchy is deeper than this government allows."
    INVALID_PARENT_ID = "INVALID_PARENT_ID", "The parent is unknown or belongs elsewhere."
    INVALID_DEPARTMENT_ID = "INVALID_DEPARTMENT_ID", "The department is unknown."
    INVALID_HIERARCHY_LEVEL = "INVALID_HIERARCHY_LEVEL", "The level is not defined for the department."
    PARENT_EXISTS = "PARENT_EXISTS", "The node has a parent at that time already."
    LEVEL_MISMATCH = "LEVEL_MISMATCH", "A node's level is its parent's plus one."
    CODE_EXISTS = "CODE_EXISTS", "This code exists already."
    VALIDITY_OVERLAP = "VALIDITY_OVERLAP", "Two versions would be valid at the same time."
    VALIDITY_ORDER = "VALIDITY_ORDER", "The validity ends before it starts."
    VERSION_CONFLICT = "VERSION_CONFLICT", "Somebody changed it in between; read it again."
    SELF_APPROVAL = "SELF_APPROVAL", "Who proposes a change cannot approve it."
    CSV_UNREADABLE = "CSV_UNREADABLE", "The file is not CSV in UTF-8 with the expected columns."
    SEARCH_CRITERIA = "SEARCH_CRITERIA", "At least one criterion is needed."
    INVALID_SEARCH_CRITERIA = (
        "INVALID_SEARCH_CRITERIA",
        "A search needs its filter; an empty one lists everything.",
    )
    INVALID_REQUEST = "INVALID_REQUEST", "The object to save is missing."
    TENANT_ID_LENGTH = "TENANT_ID_LENGTH", "A government's code has 2 to 64 characters."
    CRITERIA_LIMIT = "CRITERIA_LIMIT", "At most 50 ids and 50 codes in one search."
    COA_CODE_LENGTH = "COA_CODE_LENGTH", "A head of account's code is too long or has too many tiers."
    MAJOR_HEAD_NAME = "MAJOR_HEAD_NAME", "A major head's name has 2 to 64 characters."
    MAJOR_HEAD_TYPE = "MAJOR_HEAD_TYPE", "A major head's type has 2 to 32 characters."
    SUB_MAJOR_HEAD_NAME = "SUB_MAJOR_HEAD_NAME", "A sub-major head's name has 2 to 64 characters."
    MINOR_HEAD_NAME = "MINOR_HEAD_NAME", "A minor head's name has 2 to 64 characters."
    SUB_HEAD_NAME = "SUB_HEAD_NAME", "A sub-head's name has 2 to 64 characters."
    GROUP_HEAD_NAME = "GROUP_HEAD_NAME", "A group head's name has 2 to 64 characters."
    OBJECT_HEAD_NAME = "OBJECT_HEAD_NAME", "An object head's name has 2 to 64 characters."
    DEPARTMENT_CODE = "DEPARTMENT_CODE", "The department's code is missing or not 1 to 64 characters long."
    DEPARTMENT_NAME = "DEPARTMENT_NAME", "The department's name is missing or not 2 to 256 characters long."
    DEPARTMENT_PARENT = (
        "DEPARTMENT_PARENT",
        "The department above is unknown, or the two would form a circle.",
    )
    DEPARTMENT_ID = "DEPARTMENT_ID", "The department is missing or unknown."
    DEPARTMENT_LABEL = (
        "DEPARTMENT_LABEL",
        "The level's label is missing, too long or taken in this department.",
    )
    DEPARTMENT_HIERARCHY_ID = "DEPARTMENT_HIERARCHY_ID", "The node's hierarchy level is missing."
    DEPARTMENT_CHILDREN = (
        "DEPARTMENT_CHILDREN",
        "The list of children is missing, or a child is unknown, repeated or not one level below.",
    )
    DEPARTMENT_ENTITY_ID = "DEPARTMENT_ENTITY_ID", "An administrative node is unknown, or its id too long."
    DEPARTMENT_ENTITY_CODE = (
        "DEPARTMENT_ENTITY_CODE",
        "The node's code is missing or not 1 to 256 characters long.",
    )
    DEPARTMENT_ENTITY_NAME = (
        "DEPARTMENT_ENTITY_NAME",
        "The node's name is missing or not 1 to 256 characters long.",
    )
    INVALID_DEPARTMENT_ENTITY_ID = "INVALID_DEPARTMENT_ENTITY_ID", "The node to change does not exist."
    EXPENDITURE_CODE = "EXPENDITURE_CODE", "The program's code is missing or not 2 to 64 characters long."
    EXPENDITURE_NAME = "EXPENDITURE_NAME", "The program's name is missing or not 2 to 256 characters long."
    EXPENDITURE_TYPE = "EXPENDITURE_TYPE", "A program is a Scheme or a Non-Scheme."
    EXPENDITURE_ID = "EXPENDITURE_ID", "The program (scheme) is unknown."
    PROJECT_CODE = "PROJECT_CODE", "The project's code is missing or not 1 to 64 characters long."
    PROJECT_NAME = "PROJECT_NAME", "The project's name is missing or not 2 to 256 characters long."
    LOCATION_ID = "LOCATION_ID", "A location is unknown, or its id too long."
    ID = "ID", "A change needs the id of what it changes."
    INVALID_ID = "INVALID_ID", "What is to be changed does not exist."
    HAS_CHILDREN = "HAS_CHILDREN", "Entries below would be left without their parent."
    VALIDITY_DATE = "VALIDITY_DATE", "Validity dates lie between 1900 and 9998."
    EXPECTED_VERSION = "EXPECTED_VERSION", "A change names the version it was made from."
    ROW_LIMIT = "ROW_LIMIT", "At most 50,000 rows and 10 MiB in one file."
    APPROVAL_REQUIRED = (
        "APPROVAL_REQUIRED",
        "This government's registries change only with a second person's approval.",
    )
    PROPOSAL_DECIDED = "PROPOSAL_DECIDED", "This proposal was already approved or rejected."

    # Programs and their money
    PROGRAM_NAME = "PROGRAM_NAME", "The program's name is missing or not 2 to 64 characters long."
    PROGRAM_DESCRIPTION = "PROGRAM_DESCRIPTION", "The program's description is longer than 256 characters."
    DATES_ERROR = "DATES_ERROR", "The program ends before it starts."
    PROGRAM_PARENT_ID_NOT_FOUND = (
        "PROGRAM_PARENT_ID_NOT_FOUND",
        "The program above is not there, not visible, or not active.",
    )
    SEGMENT_CODE = "SEGMENT_CODE", "A segment's code has 2 to 64 characters."
    NO_PROGRAMS_FOUND = "NO_PROGRAMS_FOUND", "There is no such program, or it is not visible to the caller."
    PROGRAM_NOT_ACTIVE = "PROGRAM_NOT_ACTIVE", "The program is not active."
    PROGRAM_OUT_OF_PERIOD = "PROGRAM_OUT_OF_PERIOD", "Today is not within the program's days."
    AMOUNT_NOT_POSITIVE = "AMOUNT_NOT_POSITIVE", "The amount must be above zero."
    NET_GREATER_THAN_GROSS = "NET_GREATER_THAN_GROSS", "The net amount is greater than the gross amount."
    SANCTIONS_NOT_FOUND = (
        "SANCTIONS_NOT_FOUND",
        "A sanction is not there, or not visible to the caller.",
    )
    SANCTION_NOT_ACTIVE = "SANCTION_NOT_ACTIVE", "The sanction is not active."
    SANCTIONED_AMOUNT_ERROR_ALLOCATION = (
        "SANCTIONED_AMOUNT_ERROR_ALLOCATION",
        "More would be allocated than is left of the sanctioned amount.",
    )
    AVAILABLE_AMOUNT_ERROR_DEDUCTION = (
        "AVAILABLE_AMOUNT_ERROR_DEDUCTION",
        "More would be deducted than is available.",
    )

    # Retention
    ERASED = "ERASED", "This was erased: nobody can read it any more; what proves it stays."
    LEGAL_HOLD = "LEGAL_HOLD", "A legal hold keeps this from being erased."

    # Webhooks
    WEBHOOK_URL = (
        "WEBHOOK_URL",
        "The hub does not call this URL: it is malformed, not HTTPS, or names an address of an inner network.",
    )
    WEBHOOK_OPTIONS = (
        "WEBHOOK_OPTIONS",
        "An endpoint needs at least one kind and one way of signing; overlaps last at most a week.",
    )
    WEBHOOK_LIMIT = "WEBHOOK_LIMIT", "A system has at most ten endpoints."
    WEBHOOK_STATE = "WEBHOOK_STATE", "The endpoint's or delivery's state does not allow this step."
    WEBHOOK_CHALLENGE = "WEBHOOK_CHALLENGE", "This is not the challenge the endpoint was sent last."
    WEBHOOK_RANGE = (
        "WEBHOOK_RANGE",
        "A range of the log names at most 10,000 leaves that the endpoint has passed, and 1,000 deliveries.",
    )

    # Requests
    BAD_REQUEST = "BAD_REQUEST", "The request is not a GraphQL request over HTTP."
    BODY_TOO_LARGE = "BODY_TOO_LARGE", "The request's body is larger than allowed."
    BATCHING_NOT_ALLOWED = "BATCHING_NOT_ALLOWED", "One operation a request."
    ORIGIN_NOT_ALLOWED = "ORIGIN_NOT_ALLOWED", "A browser's request must come from the hub's own pages."
    DOCUMENT_SIZE = "DOCUMENT_SIZE", "The document's text is longer than allowed; send values as variables."
    DOCUMENT_INVALID = "DOCUMENT_INVALID", "The document does not parse or validate."
    DEPTH_LIMIT = "DEPTH_LIMIT", "The selection is nested too deeply."
    TOKEN_LIMIT = "TOKEN_LIMIT", "The document has too many tokens."
    ALIAS_LIMIT = "ALIAS_LIMIT", "The document has too many aliases."
    ROOT_MUTATION_LIMIT = "ROOT_MUTATION_LIMIT", "Too many mutations in one request."
    COST_LIMIT = "COST_LIMIT", "The operation costs more than the budget."
    RATE_LIMIT = "RATE_LIMIT", "Too many requests; try again later."
    TIMEOUT = "TIMEOUT", "The statement took longer than allowed."
    BUSY = "BUSY", "The hub is busy or the rows are locked; nothing was changed, try again shortly."
    UNAVAILABLE = (
        "UNAVAILABLE",
        "The database cannot be reached; repeat a mutation with its idempotency key, as its outcome is not known.",
    )
    PAGE_SIZE = "PAGE_SIZE", "Pages hold 1 to 100 entries."
    CURSOR = "CURSOR", "The cursor is not one of ours, or belongs to another list."
    BATCH_SIZE = "BATCH_SIZE", "A batch holds 1 to 500 postings."
    INPUT = "INPUT", "The input is malformed."
    SUBSCRIPTION_TRANSPORT = (
        "SUBSCRIPTION_TRANSPORT",
        "Subscriptions run over a WebSocket or an event stream, everything else by a plain POST.",
    )
    SUBSCRIPTION_LIMIT = "SUBSCRIPTION_LIMIT", "A key or session has at most ten subscriptions at a time."
    NOT_IN_LOG = "NOT_IN_LOG", "The fact has no number in the log yet; ask again in a second."
    LOG_SIZE = "LOG_SIZE", "No published tree of the log has this size, or the sizes are out of order."
    INTERNAL = "INTERNAL", "An unexpected error; quote the trace id."

    # Warnings only
    SUBTYPE_ALIASED = "SUBTYPE_ALIASED", "The sub-type was stored under its standard name."
    ATTRIBUTE_UNKNOWN = "ATTRIBUTE_UNKNOWN", "The attribute is not in the catalogue; kept as sent."
    COA_MAJOR_TYPE_MISMATCH = (
        "COA_MAJOR_TYPE_MISMATCH",
        "The head of account does not look like the major type.",
    )
    PERIOD_DEFAULTED = "PERIOD_DEFAULTED", "The period was taken from the event's date."
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED", "More is drawn than the linked posting's net amount."
    CHAIN_GAP = "CHAIN_GAP", "An expected predecessor is missing."
    POSSIBLE_DUPLICATE = "POSSIBLE_DUPLICATE", "A very similar posting exists."
    GENDER_PART_MISMATCH = (
        "GENDER_PART_MISMATCH",
        "The stated part of the gender statement differs from the computed one.",
    )
    PROJECT_COMPLETED = "PROJECT_COMPLETED", "The project is completed."
