"""The job table: what must still happen, with leases; the queue is only a nudge."""

from hub.domain.jobs.model import Argument, CannotSucceed, Job, JobCount, Outcome, State, Worker
from hub.domain.jobs.ports import Mail, Mailer, MailRefused
from hub.domain.jobs.service import (
    begin,
    begin_next,
    complete,
    counts,
    enqueue,
    fail,
    recover,
    release,
    renew,
)

__all__ = [
    "Argument",
    "CannotSucceed",
    "Job",
    "JobCount",
    "Mail",
    "MailRefused",
    "Mailer",
    "Outcome",
    "State",
    "Worker",
    "begin",
    "begin_next",
    "complete",
    "counts",
    "enqueue",
    "fail",
    "recover",
    "release",
    "renew",
]
