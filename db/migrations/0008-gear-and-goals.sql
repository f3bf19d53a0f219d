-- no transaction
-- Indexes on a table in use are created concurrently, so that this file runs outside of a transaction: each statement can be run again.

-- What activities are done with: shoes above all. The distance covered is not stored: it is the sum over the activities, and so it is right
-- whatever happens to them.
create table if not exists gear (
  user_id uuid not null references users on delete cascade,
  gear_id uuid not null,
  name text not null check (char_length(name) between 1 and 200),
  sport text not null,
  starting_distance_m double precision not null default 0 check (starting_distance_m >= 0),
  retire_after_m double precision check (retire_after_m > 0),
  is_default boolean not null default false,
  retired boolean not null default false,
  notes text check (char_length(notes) <= 10000),
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, gear_id),
  constraint gear_retired_is_no_default check (not (is_default and retired))
);

create unique index if not exists gear_one_default on gear (user_id, sport) where is_default;

create table if not exists goals (
  user_id uuid not null references users on delete cascade,
  goal_id uuid not null,
  name text check (char_length(name) between 1 and 200),
  metric text not null check (metric in ('distance', 'duration', 'count', 'elevation_gain')),
  period text not null check (period in ('week', 'month', 'year', 'custom')),
  target double precision not null check (target > 0),
  -- Null: the activities of every sport.
  sport text,
  from_date date,
  to_date date,
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, goal_id),
  constraint goals_end_not_before_start check (to_date >= from_date),
  constraint goals_custom_has_dates check (period <> 'custom' or (from_date is not null and to_date is not null))
);

-- `exertion`: what the load is computed from, so that it can be computed again without decoding the original.
alter table activities add column if not exists gear_id uuid, add column if not exists exertion jsonb;

-- Only the reference is cleared where gear is deleted, not the owner.
alter table activities drop constraint if exists activities_gear;
alter table activities
  add constraint activities_gear foreign key (user_id, gear_id) references gear on delete set null (gear_id) not valid;
alter table activities validate constraint activities_gear;

-- For the list of the activities done with some gear, and their distance, which is in the index itself.
drop index concurrently if exists activities_by_gear;
create index concurrently activities_by_gear on activities (user_id, gear_id, start_time desc, activity_id desc)
  include (distance_m) where gear_id is not null;

-- For sums over the days of a goal: what is summed is in the index itself.
drop index concurrently if exists activities_by_day;
create index concurrently activities_by_day on activities (user_id, local_date)
  include (sport, distance_m, moving_s, elevation_gain_m);

-- An original whose place as the source of an activity was taken by a better recording: it is kept until the activity is deleted.
alter table recordings add column if not exists replaced_in uuid;
alter table recordings drop constraint if exists recordings_replaced_in;
alter table recordings
  add constraint recordings_replaced_in foreign key (user_id, replaced_in) references activities on delete cascade not valid;
alter table recordings validate constraint recordings_replaced_in;
drop index concurrently if exists recordings_by_replaced;
create index concurrently recordings_by_replaced on recordings (user_id, replaced_in) where replaced_in is not null;
