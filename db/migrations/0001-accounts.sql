-- In every table with runners' data, the primary key and every foreign key start with `user_id`: a runner's rows are stored together, they
-- cannot refer to another runner's by mistake, and the tables can be distributed over a cluster unchanged. `emails` is looked up by a
-- different key and is therefore separate from `users`.

create table users (
  user_id uuid primary key,
  name text check (char_length(name) between 1 and 100),
  timezone text not null default 'UTC',
  first_weekday smallint not null default 1 check (first_weekday between 1 and 7),
  units text not null default 'metric' check (units in ('metric', 'imperial')),
  email text not null check (char_length(email) <= 254),
  password_hash text,
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- `address` is the normalized e-mail address, in which different spellings are equal.
create table emails (
  address text primary key,
  user_id uuid not null unique
);

create table refresh_tokens (
  user_id uuid not null references users on delete cascade,
  token_id uuid not null,
  session_id uuid not null,
  secret_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (user_id, token_id)
);

create index refresh_tokens_session on refresh_tokens (user_id, session_id);
create index refresh_tokens_expiry on refresh_tokens (expires_at);
