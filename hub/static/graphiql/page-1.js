// Starts GraphiQL on this origin's endpoint. Rename the file when it changes: it is cached for ever.
"use strict";
const fetcher = GraphiQL.createFetcher({ url: "/graphql" });
const welcome = `# The hub's GraphQL API. Public without a key:
query Hub {
  hub {
    version
    domain
    signingKeyId
    signingPublicKey
  }
}

# As a system: open the Headers tab below and put your API key in place of the dots.
`;
const headers = '{\n  "Authorization": "Bearer fhub_test_..."\n}';
const withoutHint = async (parameters, options) => {
  const sent = { ...(options && options.headers) };
  for (const name of Object.keys(sent)) {
    if (name.toLowerCase() === "authorization" && String(sent[name]).endsWith("...")) delete sent[name];
  }
  return fetcher(parameters, { ...options, headers: sent });
};
ReactDOM.createRoot(document.getElementById("graphiql")).render(
  React.createElement(GraphiQL, {
    fetcher: withoutHint,
    defaultQuery: welcome,
    defaultHeaders: headers,
    defaultEditorToolsVisibility: "headers",
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
  }),
);
