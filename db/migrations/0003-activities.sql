-- The original file of a recording, byte for byte, in chunks, so that no statement has to carry all of it.
create table recordings (
  user_id uuid not null references users on delete cascade,
  recording_id uuid not null,
  format text not null check (format in ('fit', 'gpx', 'tcx')),
  sha256 bytea not null check (octet_length(sha256) = 32),
  size_bytes integer not null check (size_bytes > 0),
  file_name text check (char_length(file_name) <= 255),
  created_at timestamptz not null default now(),
  primary key (user_id, recording_id),
  constraint recordings_same_bytes unique (user_id, sha256)
);

create table recording_chunks (
  user_id uuid not null,
  recording_id uuid not null,
  position integer not null check (position >= 0),
  gzip bytea not null,
  primary key (user_id, recording_id, position),
  foreign key (user_id, recording_id) references recordings on delete cascade
);

-- The decoding thread compresses each chunk: compressing it again would take time and save nothing.
alter table recording_chunks alter column gzip set storage external;

create table activities (
  user_id uuid not null references users on delete cascade,
  activity_id uuid not null,
  sport text not null,
  sub_sport text,
  name text check (char_length(name) between 1 and 200),
  start_time timestamptz not null,
  timezone text not null,
  local_date date not null,
  distance_m double precision check (distance_m >= 0),
  elapsed_s double precision check (elapsed_s >= 0),
  moving_s double precision check (moving_s >= 0),
  elevation_gain_m double precision check (elevation_gain_m >= 0),
  elevation_loss_m double precision check (elevation_loss_m >= 0),
  average_heart_rate_bpm double precision check (average_heart_rate_bpm > 0),
  max_heart_rate_bpm double precision check (max_heart_rate_bpm > 0),
  average_cadence_spm double precision check (average_cadence_spm >= 0),
  average_pace_s_per_km double precision check (average_pace_s_per_km > 0),
  grade_adjusted_pace_s_per_km double precision check (grade_adjusted_pace_s_per_km > 0),
  load double precision check (load >= 0),
  load_model text check (load_model in ('rtss', 'hrtss', 'session_rpe')),
  perceived_effort double precision check (perceived_effort between 0 and 10),
  is_race boolean not null default false,
  notes text check (char_length(notes) <= 10000),
  format text not null check (format in ('fit', 'gpx', 'tcx', 'manual')),
  recording_id uuid,
  device_name text check (char_length(device_name) <= 200),
  device jsonb,
  laps_count integer not null default 0 check (laps_count >= 0),
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (user_id, activity_id),
  foreign key (user_id, recording_id) references recordings,
  constraint activities_moving_within_elapsed check (moving_s <= elapsed_s),
  constraint activities_original check ((format = 'manual') = (recording_id is null))
);

create index activities_newest on activities (user_id, start_time desc, activity_id desc);
create index activities_by_recording on activities (user_id, recording_id);
