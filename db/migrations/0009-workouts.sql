-- What plans ask for, a row for each workout.
create table workouts (
  user_id uuid not null references users on delete cascade,
  workout_id uuid not null,
  plan_id uuid not null,
  date date not null,
  kind text not null check (
    kind in ('easy', 'long', 'recovery', 'tempo', 'interval', 'repetition', 'hills', 'race', 'rest', 'cross')
  ),
  name text not null check (char_length(name) between 1 and 200),
  description text check (char_length(description) <= 10000),
  -- As they were sent: zones are resolved when they are read, with the settings of the day.
  steps jsonb,
  planned_distance_m double precision check (planned_distance_m > 0),
  planned_duration_s double precision check (planned_duration_s > 0),
  -- The id that a client's own system gives it.
  external_id text check (char_length(external_id) between 1 and 200),
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, workout_id),
  foreign key (user_id, plan_id) references plans on delete cascade,
  constraint workouts_external unique (user_id, plan_id, external_id)
);

create index workouts_by_plan on workouts (user_id, plan_id, date, workout_id);
create index workouts_by_day on workouts (user_id, date, workout_id);

-- Which activity fulfilled which workout. Without an activity: a person decided that none did.
create table workout_activities (
  user_id uuid not null references users on delete cascade,
  workout_id uuid not null,
  activity_id uuid,
  matched_by text not null check (matched_by in ('rule', 'person')),
  reason text not null check (char_length(reason) between 1 and 500),
  created_at timestamptz not null default now(),
  primary key (user_id, workout_id),
  foreign key (user_id, workout_id) references workouts on delete cascade,
  foreign key (user_id, activity_id) references activities on delete cascade,
  constraint workout_activities_one_each unique (user_id, activity_id),
  constraint workout_activities_rule_has_activity check (activity_id is not null or matched_by = 'person')
);

-- The secret address of a runner's calendar feed.
create table calendar_feeds (
  user_id uuid primary key references users on delete cascade,
  secret_hash bytea not null check (octet_length(secret_hash) = 32),
  created_at timestamptz not null default now()
);

-- Workouts that were deleted, for the calendars that subscribed to the feed: they are told that the event is cancelled.
create table cancelled_workouts (
  user_id uuid not null references users on delete cascade,
  workout_id uuid not null,
  date date not null,
  name text not null,
  revision integer not null,
  cancelled_at timestamptz not null default now(),
  primary key (user_id, workout_id)
);

create index cancelled_workouts_expiry on cancelled_workouts (cancelled_at);

-- Phases and weeks of a plan that was generated or made from a template; null: a plan made by hand.
alter table plans add column outline jsonb;
