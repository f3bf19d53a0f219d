-- The response to the first POST with an Idempotency-Key, stored in the transaction of its write. The key itself is not stored: it encrypts
-- the response, which may contain secrets that are returned only once.
create table idempotency_keys (
  user_id uuid not null references users on delete cascade,
  key_hash bytea not null check (octet_length(key_hash) = 32),
  fingerprint bytea not null check (octet_length(fingerprint) = 32),
  answer bytea not null check (octet_length(answer) <= 4194304),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (user_id, key_hash)
);

create index idempotency_keys_expiry on idempotency_keys (expires_at);

-- The physiological values of a runner from a day on; null if unknown.
create table physiology (
  user_id uuid not null references users on delete cascade,
  physiology_id uuid not null,
  valid_from date not null,
  sex text check (sex in ('male', 'female')),
  max_heart_rate_bpm smallint check (max_heart_rate_bpm between 100 and 240),
  resting_heart_rate_bpm smallint check (resting_heart_rate_bpm between 25 and 120),
  threshold_heart_rate_bpm smallint check (threshold_heart_rate_bpm between 80 and 230),
  threshold_pace_s_per_km double precision check (threshold_pace_s_per_km between 120 and 1200),
  created_at timestamptz not null default now(),
  primary key (user_id, physiology_id),
  constraint physiology_one_a_day unique (user_id, valid_from),
  constraint physiology_something check (
    num_nonnulls(sex, max_heart_rate_bpm, resting_heart_rate_bpm, threshold_heart_rate_bpm, threshold_pace_s_per_km) > 0
  ),
  constraint physiology_order check (
    resting_heart_rate_bpm < max_heart_rate_bpm
    and resting_heart_rate_bpm < threshold_heart_rate_bpm
    and threshold_heart_rate_bpm <= max_heart_rate_bpm
  )
);
