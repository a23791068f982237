"""What happens in the world of sameness beside its random postings: one act for each thing that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.client import Client
from tests.factories import postings
from tests.factories.registry import TestSystem
from tests.factories.world import World

# Texts that two writers of JSON could spell differently, or that SQL, JSON or a format string could take for its own.
ODD_TEXTS = (
    'quote " backslash \\ solidus / \\" \\\\',
    "tab\tnewline\nreturn\rbackspace\bfeed\f",
    "\x01\x02\x0b\x1e\x1f",
    "\x7f\x80\x85\x9f\xa0\xad",
    "\u2028\u2029\u200b\u200f\ufeff",
    "😀 \U0001d4b3 \U0010fffd 👩‍👩‍👧",
    '{"a": 1, "b": [true, null], "c":"d, e: f"}',
    ', : , : ", "" : \\", : ',
    "ਪੰਜਾਬ ਜਲ ਸਪਲਾਈ • é ß ﬁ",
    "<b>&amp;</b> 'single' -- /* $1 %s :name */ {0}",
    "null",
    "\\u0041 \\n \\x41",
)
CODES: dict[str, Any] = {
    "locationCode": "majher",
    "programCode": "JJM",
    "projectCode": "PWS-7378",
    "administrativeHierarchyCode": "7378",
    "departmentCode": "DWSS",
}
ESTIMATE = {"subType": "ESTIMATE", "qualifier": "REVISED"}
ACCOUNT = {"account_number": "123456789012", "ifsc": "SBIN0001234", "account_holder": "Asha Rani"}
MARK_READ = "mutation ($ids: [ID!]!) { markMessagesRead(input: {ids: $ids}) { errors { code } } }"
LEASE = "mutation { readMessages(input: {first: 1, mode: LEASE}) { errors { code } messages { message { id } } } }"
POST_BATCH = """
mutation ($input: PostFiscalEventsInput!) {
  postFiscalEvents(input: $input) { errors { code path message } results { outcome } }
}"""


@dataclass
class Play:
    """What happens in the world beside the random postings: one act for each thing that can be read."""

    client: Client
    world: World

    def system(self, name: str) -> TestSystem:
        """A system by its actor's name."""
        found = self.world.named(name).system
        assert found is not None
        return found

    async def perform(self) -> None:
        """All acts."""
        await self._odd_texts()
        await self._personal_values()
        await self._many_lines()
        await self._reversals()
        await self._links()
        await self._attachments()
        await self._signatures()
        await self._messages()
        await self._batches()
        await self._elsewhere()

    async def post(self, name: str, **over: Any) -> str:
        """One event that is accepted; its id."""
        body = postings.content(**{"lines": [postings.line(**CODES)], **over})
        event = await postings.post_ok(self.client, self.system(name), body)
        found: str = event["id"]
        return found

    async def send(self, name: str, *to: str, **over: Any) -> str:
        """One message that is accepted; its id."""
        receivers = [self.system(each).unique_id for each in to]
        answer = await postings.send(self.client, self.system(name), receivers, **over)
        assert answer["errors"] == [], answer["errors"]
        found: str = answer["message"]["id"]
        return found

    async def reverse(self, name: str, posting: str, **over: Any) -> str:
        """One reversal that is accepted; its id."""
        answer = await postings.reverse(self.client, self.system(name), posting, **over)
        assert answer["errors"] == [], answer["errors"]
        found: str = answer["reversal"]["id"]
        return found

    async def _odd_texts(self) -> None:
        for i, odd in enumerate(ODD_TEXTS):
            short = odd[:30].strip() or "x"
            await self.post(
                "B0",
                referenceId=f"{i} {short}",
                attributes={
                    "remarks": odd,
                    "nested": {odd: [odd, {"a": odd}], "": ""},
                    "n": [1, -2, True, None],
                },
                attributeGroup=short,
                lines=[
                    postings.line(
                        **CODES,
                        attributes={"note": odd},
                        tags=[{"scheme": short, "share": "0.5", "beneficiaryRegistry": short}],
                    )
                ],
                attachments=[{"kind": "KEY_VALUE", "key": "note", "value": odd}],
            )
        await self.post(
            "B1",
            attributes={
                "big": 2**53 - 1,
                "small": -(2**53) + 1,
                "zero": 0,
                "empty": {},
                "list": [],
                "deep": {"b": {"a": {"c": [[], {}, [[1]]]}}},
                "amount": "1234567.80",
            },
            eventTime="2026-02-28T23:59:59.120300-11:30",
        )

    async def _personal_values(self) -> None:
        everywhere: dict[str, Any] = {"vendor_name": "Gurpreet Singh", "vendor_bank_account": ACCOUNT}
        await self.post("B0", attributes={**everywhere, "approved_by": ODD_TEXTS[0], "remarks": "plain"})
        await self.post("P0", attributes={"announced_by": ["Asha", {"a": "b"}, 7, None, True], "b": "c"})
        await self.post(
            "B1", attributes={"vendor_bank_account": ["98765432109876", "1234567", "", ODD_TEXTS[5] * 2]}
        )
        lines = [
            postings.line(1, attributes={"employee_name": "Harpreet", "grade": "B"}),
            postings.line(2, attributes={"employee_bank_account": ACCOUNT}),
            postings.line(3, attributes={"grade": "vendor_name"}),
        ]
        await self.post("B1", lines=lines)
        key_value = {"kind": "KEY_VALUE", "key": "vendor_bank_account", "value": "00112233445566"}
        await self.post(
            "B0", attachments=[key_value, {"kind": "KEY_VALUE", "key": "remarks", "value": "seen"}]
        )
        await self.post("B1", to=[self.system("C1").unique_id], attributes=everywhere)
        await self.send("B1", "C1", "B0", attributes=everywhere, attachments=[key_value])

    async def _many_lines(self) -> None:
        tags = [
            {
                "scheme": "gender-budget",
                "share": "0.3000",
                "beneficiaryRegistry": "SECC",
                "targetSegment": "WOMEN",
            },
            {"scheme": "climate", "share": "1"},
        ]
        for i in range(1, 4):
            lines = [
                postings.line(
                    no, f"{no * i}.0{i}", **(CODES if no % 2 else {}), tags=tags if no % 3 == 0 else []
                )
                for no in range(3 * i, 0, -1)
            ]
            await self.post("P0", lines=lines, eventTime=f"202{i + 2}-0{i + 2}-28T23:00:00+05:30")
        await self.post("B1", lines=[postings.line(1, "1000000", currency="JPY")])
        await self.post(
            "B1", lines=[postings.line(1, "0.125", currency="BHD"), postings.line(2, "2", currency="BHD")]
        )
        await self.post(
            "B1", lines=[postings.line(1, "999999999999999.99")], eventTime="1950-01-01T00:00:00Z"
        )
        await self.post(
            "B0",
            type="REVENUE",
            majorType="REVENUE_RECEIPT",
            subType="RECEIPT",
            lines=[postings.line(coaCode=postings.RECEIPT_HEAD, programCode="JJM")],
        )
        await self.post("B0", **ESTIMATE, lines=[postings.line(1, "0.00"), postings.line(2, "-0")])
        # A head on another side of the accounts than the major type: accepted with warnings.
        await self.post(
            "B1", lines=[postings.line(1, "5.00"), postings.line(2, "6.00", coaCode="2215-01-102-08-00-13")]
        )

    async def _reversals(self) -> None:
        both_signs = [postings.line(1, "100.00"), postings.line(2, "-100.00"), postings.line(3, "0.00")]
        signed = await self.post("B0", **ESTIMATE, lines=both_signs)
        await self.reverse("B0", signed, mode="PARTIAL", lines=[{"lineNo": 2, "amount": "-40.00"}])
        await self.reverse("B0", await self.post("B0", **ESTIMATE, lines=both_signs))
        two = await self.post("B1", lines=[postings.line(1, "600.00"), postings.line(2, "400.00")])
        for amount in ("0.01", "99.99"):
            part = {"mode": "PARTIAL", "lines": [{"lineNo": 2, "amount": amount}]}
            await self.reverse(
                "B1", two, **part, reason="OTHER", comment=ODD_TEXTS[0], attributes={"remarks": "why"}
            )
        await self.reverse("B1", two, reason="CANCELLED")
        nothing = await self.post("B0", **ESTIMATE, lines=[postings.line(1, "0.00")])
        await self.reverse("B0", nothing)
        await self.reverse("B1", await self.send("B1", "C1", "C2"))
        hidden = await self.post("B0", **ESTIMATE, classification="RESTRICTED")
        await self.reverse("B0", hidden)
        # The original is open, its reversal is read by one consumer alone.
        open_one = await self.post("B1")
        back = postings.content(
            to=[self.system("C1").unique_id],
            reversal={"reverses": open_one, "mode": "PARTIAL", "reason": "ERROR"},
            lines=[postings.line(1, "-10.00", reversesLineNo=1)],
        )
        await postings.post(self.client, self.system("B1"), back)
        await self._correct(await self.post("P0"))

    async def _correct(self, wrong: str) -> None:
        request = {
            "id": wrong,
            "mode": "FULL",
            "reason": "ERROR",
            "referenceId": postings.reference("REV"),
            "eventTime": "2026-10-07T17:45:00+05:30",
        }
        content, system = postings.content(lines=[postings.line(amount="900.00")]), self.system("P0")
        subject = {"replacement": {"content": content, "reversal": request}}
        made = {
            "reversal": {
                "idempotencyKey": postings.reference(),
                "reversal": request,
                "signature": await postings.sign(self.client, system, {"reversal": request}),
            },
            "replacement": {
                "idempotencyKey": postings.reference(),
                "content": content,
                "signature": await postings.sign(self.client, system, subject),
            },
        }
        answer = (await self.client.acting(system.api_key).run(postings.CORRECT, input=made))["correct"]
        assert answer["errors"] == [], answer["errors"]

    async def _links(self) -> None:
        sender = self.system("B0").unique_id
        early = {"relation": "FOLLOWS", "system": sender, "referenceId": "LATER/1"}
        never = {"relation": "FOLLOWS", "system": self.system("P0").unique_id, "referenceId": 'NEVER "'}
        await self.post("B1", links=[early, never])
        later = await self.post("B0", referenceId="LATER/1")
        hidden = await self.post("B0", referenceId="HIDDEN/1", classification="RESTRICTED", **ESTIMATE)
        links = [
            {"relation": "FOLLOWS", "id": later},
            {"relation": "FOLLOWS", "system": sender, "referenceId": "HIDDEN/1"},
        ]
        child = await self.post("B1", links=links)
        payment = {"relation": "SETTLES", "id": child}
        await self.post("B1", **postings.PAYMENT, links=[payment], lines=[postings.line(1, "1200.00")])
        await self.post("B0", links=[{"relation": "FOLLOWS", "id": hidden}])

    async def _attachments(self) -> None:
        system = self.system("B1")
        digest = await postings.upload(self.client, system, b"%PDF-1.7 sameness")
        document = {"kind": "DOCUMENT", "mediaType": "application/pdf", "sizeBytes": 17, "sha256": digest}
        await self.post(
            "B1",
            attachments=[
                document | {"name": 'scan "1".pdf', "role": "measurement book"},
                {"kind": "KEY_VALUE", "key": "work_order", "value": "WO/1"},
                document | {"name": "copy.pdf"},
            ],
        )

    async def _signatures(self) -> None:
        signed = await self.post("P0")
        for name, purpose, comments in (
            ("C1", "ACKNOWLEDGEMENT", ODD_TEXTS[1]),
            ("B1", "APPROVAL", ODD_TEXTS[5]),
            ("C2", "REJECTION", ODD_TEXTS[0]),
        ):
            await self._sign(name, signed, purpose, comments)
        await self._sign("B0", await self.post("P0"), "APPROVAL", "")
        await self._sign("C1", await self.send("P0", "C1"), "REJECTION", ODD_TEXTS[3])

    async def _sign(self, name: str, posting: str, purpose: str, comments: str) -> None:
        system, said = self.system(name), {"purpose": purpose, "comments": comments}
        signature = await postings.sign(self.client, system, {"posting": posting}, **said)
        made = {"id": posting, **said, **signature}
        answer = await self.client.acting(system.api_key).run(postings.ADD_SIGNATURE, input=made)
        assert answer["addSignature"]["errors"] == []

    async def _messages(self) -> None:
        sent = [
            await self.send("B1", "C1", "B0", topic=f"T {i}", correlationId=ODD_TEXTS[i]) for i in range(6)
        ]
        await self.send("P0", "C1", "C2", "B1", lines=[postings.line()], topic=ODD_TEXTS[0])
        for name, ids in (("C1", sent[:3]), ("B0", sent[1:2])):
            acting = self.client.acting(self.system(name).api_key)
            assert (await acting.run(MARK_READ, ids=ids))["markMessagesRead"]["errors"] == []
        assert (await self.client.acting(self.system("C1").api_key).run(LEASE))["readMessages"][
            "errors"
        ] == []

    async def _batches(self) -> None:
        """Signed once over all their items: one of a single item, one of an odd number."""
        system = self.system("B1")
        for size in (1, 5):
            bodies = [postings.content(lines=[postings.line(amount=f"{i}.50")]) for i in range(1, size + 1)]
            made = {
                "items": [{"idempotencyKey": postings.reference(), "content": body} for body in bodies],
                "mode": "ATOMIC",
                "signature": await postings.sign(self.client, system, {"events": bodies}),
            }
            answer = (await self.client.acting(system.api_key).run(POST_BATCH, input=made))[
                "postFiscalEvents"
            ]
            assert answer["errors"] == []
            assert [result["outcome"] for result in answer["results"]] == ["ACCEPTED"] * size

    async def _elsewhere(self) -> None:
        """The same things in the other government and among test systems: nothing of it may shine through."""
        await self.post(
            "B3", attributes={"vendor_name": "of hr", "remarks": ODD_TEXTS[0]}, referenceId="LATER/1"
        )
        await self.send("B3", "B4", topic="hr")
        await self.post("T0", attributes={"vendor_name": "of a test"}, referenceId="LATER/1")
        await self.send("T0", "T1", topic="test")
