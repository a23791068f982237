// PostGraphile over the benchmark's rows, set up for speed: production mode, no GraphiQL, no watching, no explaining.
import "./node20.mjs";
import { createServer } from "node:http";
import { PgAggregatesPreset } from "@graphile/pg-aggregates";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";

const preset = {
  extends: [PostGraphileAmberPreset, PgAggregatesPreset],
  pgServices: [
    makePgService({
      poolConfig: {
        host: process.env.BENCH_SOCKETS,
        database: "hub",
        user: process.env.BENCH_ROLE,
        password: process.env.BENCH_PASSWORD,
        max: Number(process.env.BENCH_POOL),
      },
      schemas: ["peer"],
    }),
  ],
  grafast: { explain: false },
  grafserv: { graphiql: false, watch: false, graphqlPath: "/graphql", maxRequestLength: 64_000_000 },
};

const instance = postgraphile(preset);
const server = createServer();
const serving = instance.createServ(grafserv);
await serving.addTo(server);
await serving.ready();
server.keepAliveTimeout = 120_000;
server.listen(Number(process.env.BENCH_PORT), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
