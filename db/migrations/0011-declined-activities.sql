-- Activities that a person took away from a workout: no rule gives them to this or another one again.
create table declined_activities (
  user_id uuid not null references users on delete cascade,
  activity_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (user_id, activity_id),
  foreign key (user_id, activity_id) references activities on delete cascade
);
