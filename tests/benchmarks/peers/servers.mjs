// Yoga, Apollo Server and Mercurius over our store: `node servers.mjs yoga|apollo|mercurius STORE REPORT PORT PACKAGES`;
// the report is the answer that is kept, as JSON, and PACKAGES the folder that npm filled. All three have the same
// schema, the same resolvers and the same statements, on better-sqlite3 with dataloader.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [kind, store, report, port, packages] = process.argv.slice(2);
const load = createRequire(`${packages}/`);
const Database = load("better-sqlite3");
const DataLoader = load("dataloader");
const typeDefs = readFileSync(new URL("schema.graphql", import.meta.url), "utf8");
const kept = JSON.parse(readFileSync(report, "utf8"));
const STATUSES = ["COMPLETED", "PARTIAL", "PENDING", "REFUNDED", "CANCELLED"];

const database = new Database(store, { readonly: true });
const customers = database.prepare(`
  SELECT c.id, c.external_id, c.name FROM customer AS c
  JOIN customer_metrics AS m ON m.business_id = c.business_id AND m.customer_id = c.id
  WHERE c.business_id = 1 AND c.merged_into IS NULL AND c.external_id > ? ORDER BY c.external_id LIMIT ?`);
const purchases = database.prepare(`
  SELECT customer_id, id, external_id, purchased_at, amount, status FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY purchased_at DESC, id DESC) AS place
    FROM purchase WHERE business_id = 1 AND customer_id IN (SELECT value FROM json_each(?)))
  WHERE place <= ? ORDER BY customer_id, place`);

const id = (text) => Buffer.from(text).toString("base64url");
const instant = (microseconds) => new Date(microseconds / 1000).toISOString().replace(".000Z", "Z");
const amount = (cents) => `${Math.trunc(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;

const context = () => ({
  purchases: new DataLoader(
    async (keys) => {
      const found = new Map(keys.map(([customer]) => [customer, []]));
      for (const row of purchases.all(JSON.stringify([...found.keys()]), keys[0][1])) {
        found.get(row.customer_id).push({
          id: id(`Purchase:1.${row.customer_id}.${row.id}`),
          externalId: row.external_id,
          purchasedAt: instant(row.purchased_at),
          amount: amount(row.amount),
          status: STATUSES[row.status],
        });
      }
      return keys.map(([customer]) => found.get(customer));
    },
    { cacheKeyFn: ([customer]) => customer },
  ),
});

const resolvers = {
  Query: {
    customers: (_, { first, after }) => {
      const begin = after ? Buffer.from(after, "base64url").toString() : "";
      const rows = customers.all(begin, first + 1);
      const more = rows.length > first;
      const nodes = rows.slice(0, first).map((row) => ({
        key: row.id,
        id: id(`Customer:1.${row.id}`),
        externalId: row.external_id,
        name: row.name,
      }));
      const endCursor = nodes.length ? id(nodes.at(-1).externalId) : null;
      return { nodes, pageInfo: { hasNextPage: more, endCursor } };
    },
    segmentationReport: () => kept,
  },
  Customer: {
    purchases: async (customer, { first }, { purchases: loader }) => ({
      nodes: await loader.load([customer.key, first]),
    }),
  },
};

const servers = {
  async yoga() {
    const { createSchema, createYoga } = load("graphql-yoga");
    const yoga = createYoga({ schema: createSchema({ typeDefs, resolvers }), context, logging: false, graphiql: false });
    createServer(yoga).listen(Number(port), "127.0.0.1");
  },
  async apollo() {
    const { ApolloServer } = load("@apollo/server");
    const { startStandaloneServer } = load("@apollo/server/standalone");
    const server = new ApolloServer({ typeDefs, resolvers });
    await startStandaloneServer(server, { context: async () => context(), listen: { port: Number(port), host: "127.0.0.1" } });
  },
  async mercurius() {
    const app = load("fastify")();
    app.register(load("mercurius"), { schema: typeDefs, resolvers, context, jit: 1 });
    await app.listen({ port: Number(port), host: "127.0.0.1" });
  },
};

await servers[kind]();
