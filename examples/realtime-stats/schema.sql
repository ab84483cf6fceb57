create table events (
  id bigserial primary key,
  event_type text not null,
  user_id integer not null,
  amount numeric(12,2) not null,
  data jsonb,
  created_at timestamptz not null default now()
);
