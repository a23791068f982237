"""What the hub is asked: one document for each kind of work, values always as variables."""

from __future__ import annotations

LINE = """lineNo amount currency coaCode locationCode locationPath programCode projectCode
  administrativeHierarchyCode administrativeHierarchyPath departmentCode departmentPath periodStart periodEnd
  attributes reversesLineNo"""
SIGNATURE = "id system keyId purpose comments signedAt receivedAt eSign"
OWN = """id from government postedAt referenceId eventTime type majorType subType qualifier process attributeGroup
  classification schemaVersion currency totalAmount fiscalYear contentDigest attributes"""
DEEP = f"{OWN} lineItems {{ {LINE} }} signatures {{ {SIGNATURE} }}"
FLAT = "id from referenceId postedAt eventTime type subType currency totalAmount fiscalYear"

DEEP_PAGE = f"""query DeepPage($first: Int!, $after: String) {{
  fiscalEvents(first: $first, after: $after) {{
    edges {{ cursor node {{ {DEEP} }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}"""
FLAT_PAGE = f"""query FlatPage($first: Int!, $after: String) {{
  fiscalEvents(first: $first, after: $after) {{
    edges {{ cursor node {{ {FLAT} }} }} pageInfo {{ hasNextPage endCursor }}
  }}
}}"""
BY_ID = f"query ById($id: ID!) {{ fiscalEvent(id: $id) {{ {DEEP} }} }}"
AGGREGATE = """query HeadByMonth($year: Int!, $head: String!, $first: Int!) {
  fiscalEventTotals(
    groupBy: [{dimension: COA_CODE}, {dimension: MONTH}]
    filter: {fiscalYears: [$year], coaPrefix: $head}
    first: $first
  ) { edges { node { keys { value } currency net events } } pageInfo { hasNextPage } }
}"""
INBOX = f"""query Inbox($first: Int!) {{
  inbox(first: $first) {{
    edges {{ cursor node {{ deliveredAt readAt message {{ {OWN} lineItems {{ {LINE} }} }} }} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}"""
POST = """mutation Post($input: PostFiscalEventInput!) {
  postFiscalEvent(input: $input) {
    outcome errors { code path message } event { id postedAt } receipt { issuedAt keyId signature }
  }
}"""
POST_MANY = """mutation PostMany($input: PostFiscalEventsInput!) {
  postFiscalEvents(input: $input) {
    errors { code path message }
    results { outcome errors { code path message } event { id } receipt { issuedAt } }
  }
}"""
CURSORS = """query Cursors($ids: [ID!]) {
  fiscalEvents(first: 100, filter: {ids: $ids}) { edges { cursor node { id } } }
}"""
