"""What `fiscal-hub run` shows: steps, the import's progress, and where to go from there."""

from __future__ import annotations

import json

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hub.commands.demo import Demo
from hub.sample import ImportResult

EVENTS = """{
  fiscalEvents(first: 5, filter: {coaPrefix: "2055", subTypes: [DEBIT]}) {
    edges { node { id referenceId eventTime totalAmount currency lineItems { coaCode } } }
  }
}"""
TOTALS = """{
  fiscalEventTotals(first: 50, groupBy: [{dimension: COA_TIER, level: 1}, {dimension: SUB_TYPE},
      {dimension: QUALIFIER}, {dimension: FISCAL_YEAR}]) {
    edges { node { keys { value } net currency events } }
  }
}"""
INBOX = """{
  inbox { edges { node { message { from topic postedAt } readAt } } }
}"""


def lineage(event_id: str) -> str:
    """The query for the chain of custody of one event."""
    return f"""{{
  lineage(id: "{event_id}") {{
    nodes {{ depth posting {{ referenceId subType qualifier fiscalYear totalAmount receipt {{ issuedAt }} }} }}
    edges {{ relation }}
  }}
}}"""


def queries(example: str | None) -> list[tuple[str, str]]:
    """Three queries to try, each with what it shows."""
    last = (
        ("a debit and the estimates before it", lineage(example))
        if example
        else ("the inbox of messages", INBOX)
    )
    return [
        ("the latest actuals of the police", EVENTS),
        ("totals by major head, stage and fiscal year", TOTALS),
        last,
    ]


class Screen:
    """Tells a person at a terminal; plain lines where there is none."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def _print(self, text: str = "", style: str | None = None) -> None:
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def step(self, text: str) -> None:
        """Something is under way."""
        self._print(f"· {text}", "dim")

    def begin_import(self, total: int) -> None:
        """The sample is being imported."""
        self._progress = Progress(
            TextColumn("· importing the sample as signed events"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task("import", total=total)
        self._progress.start()

    def advance_import(self, count: int) -> None:
        """So many more of its events are on record."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, count)

    def end_import(self, result: ImportResult) -> None:
        """The import ended."""
        if self._progress is not None:
            self._progress.stop()
        self.step(f"{result.events} events on record, {result.new} of them new")

    def ready(self, url: str, found: Demo | None, example: str | None) -> None:
        """The hub answers at this address."""
        self._print()
        self._print(f"The hub runs at {url}/graphql", "bold green")
        if found is None:
            self._print("Ctrl-C or `fiscal-hub stop` ends it.", "dim")
            return
        self._print(f"GraphiQL:   {url}/graphql (open it in a browser)")
        self._print(f"Consumer:   {found.consumer}")
        self._print(f"API key:    {found.consumer_key}")
        self._print(f"Headers:    {json.dumps({'Authorization': 'Bearer ' + found.consumer_key})}")
        self._print(
            f"Operator:   {found.operator} (signs in by one-time code; mail lies in the data folder's mailbox)"
        )
        for title, query in queries(example):
            self._print()
            self._print(f"# Try: {title}", "cyan")
            self._print(query)
        self._print()
        self._print("Ctrl-C or `fiscal-hub stop` (`make stop`) ends it.", "dim")
