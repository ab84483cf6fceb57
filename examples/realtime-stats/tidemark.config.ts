import { avg, count, defineConfig, pipeline, postgres, slot, sum, tumbling } from "tidemark";
import type { Database } from "./tidemark-types.js";

// SOURCE: TIDEMARK_SOURCE_URL. Results and checkpoints go to the same database.
export default defineConfig(
  pipeline<Database>("shop", { source: slot() }, (from) => {
    const events = from("public.events", {
      eventTime: "created_at",
      outOfOrder: "5s",
      appendOnly: true,
    });

    // Kept equal to: select event_type, date_trunc('minute', created_at), count(*), sum(amount) …
    events
      .groupBy("event_type")
      .window(tumbling("1 minute", "time_window"))
      .aggregate({ event_count: count(), total_amount: sum("amount") })
      .into(postgres.view("mv_realtime_stats"));

    // The last 24 hours of purchases, by hour.
    events
      .filter((event) => event.event_type === "purchase" && !event.amount.isNaN)
      .groupBy()
      .window(tumbling("1 hour", "hour"))
      .aggregate({ purchases: count(), mean_amount: avg("amount") })
      .into(postgres.view("purchases_by_hour", { retain: "24 hours" }));
  }),
);
