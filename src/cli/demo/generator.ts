import pg from "pg";

const INSERT = `
  insert into events (event_type, user_id, amount, data, created_at)
  select (array['login', 'view', 'purchase', 'alert', 'logout'])[1 + floor(random() * 5)],
         floor(random() * 1000)::int, round((random() * 500)::numeric, 2),
         jsonb_build_object('source', 'demo', 'n', i),
         clock_timestamp() - random() * interval '3 seconds'
  from generate_series(1, $1::int) i`;

const INTERVAL_MS = 100;

/** Writes events at a rate, in transactions of a tenth of a second. */
export class Generator {
  #timer: NodeJS.Timeout | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #isBusy = false;
  readonly #client: pg.Client;
  readonly #rowsPerSecond: number;

  constructor(url: string, rowsPerSecond: number) {
    this.#client = new pg.Client({ connectionString: url });
    this.#rowsPerSecond = rowsPerSecond;
  }

  /** `onError` is told if an insert fails; the generator then stops. */
  async start(onError: (error: unknown) => void): Promise<void> {
    await this.#client.connect();
    this.#client.on("error", () => {}); // the next insert reports it
    const rows = Math.max(1, Math.round((this.#rowsPerSecond * INTERVAL_MS) / 1000));
    this.#timer = setInterval(() => {
      if (this.#isBusy) return;
      this.#isBusy = true;
      this.#last = this.#client.query(INSERT, [rows]).then(
        () => {
          this.#isBusy = false;
        },
        (error: unknown) => onError(error),
      );
    }, INTERVAL_MS);
  }

  /** Resolves when the last insert is committed. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#last;
    await this.#client.end();
  }
}
