-- no transaction
-- What exists already is queued at the end, without a lock that its writers would wait for: each statement can be run again.

-- The columns of a recording, packed: see src/domain/streams/pack.ts. Compressed already.
create table if not exists activity_streams (
  user_id uuid not null,
  activity_id uuid not null,
  formula_version smallint not null,
  records integer not null check (records >= 0),
  packed bytea not null,
  primary key (user_id, activity_id),
  foreign key (user_id, activity_id) references activities on delete cascade
);

alter table activity_streams alter column packed set storage external;

-- What is computed of a recording beside the figures of its activity, which every list reads.
create table if not exists activity_figures (
  user_id uuid not null,
  activity_id uuid not null,
  formula_version smallint not null,
  -- The place of the activity in its original, from 0.
  recording_index smallint not null check (recording_index >= 0),
  laps jsonb not null,
  splits_km jsonb not null,
  splits_mi jsonb not null,
  -- Pairs of a speed, in metres per second, and the seconds at it.
  speed_times jsonb not null,
  revision integer not null default 1,
  primary key (user_id, activity_id),
  foreign key (user_id, activity_id) references activities on delete cascade
);

-- The fastest stretch over each distance in an activity.
create table if not exists best_efforts (
  user_id uuid not null,
  activity_id uuid not null,
  distance_m double precision not null check (distance_m > 0),
  formula_version smallint not null,
  elapsed_s double precision not null check (elapsed_s > 0),
  start_s double precision not null check (start_s >= 0),
  primary key (user_id, activity_id, distance_m),
  foreign key (user_id, activity_id) references activities on delete cascade
);

-- For records: the fastest over one distance.
create index if not exists best_efforts_fastest on best_efforts (user_id, distance_m, elapsed_s);

-- What is to be computed again in the background: an activity from its original, or the loads of all activities of a runner from a day on. It
-- is a look-up, asked for across runners. A row is taken by moving `due_at` ahead: where the process that took it dies, it is due again.
create table if not exists recomputations (
  recomputation_id uuid primary key default gen_random_uuid(),
  user_id uuid not null,
  activity_id uuid,
  from_day date,
  -- The last activity whose load was computed, from the newest on.
  after_start_time timestamptz,
  after_activity_id uuid,
  -- A release with older formulas leaves it to one that has these.
  formula_version smallint not null default 1,
  -- The newest are computed first.
  start_time timestamptz not null default now(),
  due_at timestamptz not null default now(),
  attempts smallint not null default 0,
  constraint recomputations_subject check ((activity_id is null) <> (from_day is null))
);

create unique index if not exists recomputations_of_activity on recomputations (user_id, activity_id) where activity_id is not null;
create unique index if not exists recomputations_of_loads on recomputations (user_id) where activity_id is null;
create index if not exists recomputations_newest on recomputations (start_time desc);

-- The part of its recording that an activity is; null: all of it. The version of the formulas that made its load.
alter table activities
  add column if not exists crop_from_s double precision,
  add column if not exists crop_to_s double precision,
  add column if not exists load_version smallint not null default 1;

alter table activities drop constraint if exists activities_crop;
alter table activities add constraint activities_crop check (
  (crop_from_s is null) = (crop_to_s is null) and crop_from_s >= 0 and crop_to_s - crop_from_s >= 10
) not valid;
alter table activities validate constraint activities_crop;

insert into recomputations (user_id, activity_id, start_time)
select user_id, activity_id, start_time from activities where recording_id is not null
on conflict do nothing;
