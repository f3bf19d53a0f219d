create table plans (
  user_id uuid not null references users on delete cascade,
  plan_id uuid not null,
  name text not null check (char_length(name) between 1 and 200),
  goal text check (char_length(goal) <= 500),
  status text not null default 'draft' check (status in ('draft', 'active', 'completed', 'archived')),
  start_date date not null,
  end_date date not null,
  race jsonb,
  notes text check (char_length(notes) <= 10000),
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, plan_id),
  constraint plans_end_after_start check (end_date > start_date)
);

create index plans_dates on plans (user_id, start_date, end_date);
