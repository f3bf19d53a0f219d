-- Bulk imports: what was uploaded, how far it is, and what became of each file.
create table imports (
  user_id uuid not null references users on delete cascade,
  import_id uuid not null,
  -- `receiving`: its bytes are still being stored; it is not shown. `reverted` lasts, the rest of its activities is deleted until `ended_at`.
  status text not null check (status in ('receiving', 'queued', 'running', 'done', 'failed', 'reverted')),
  allow_duplicate boolean not null default false,
  -- Why all of it failed.
  reason text check (char_length(reason) between 1 and 1000),
  -- How many files are known of: those in a ZIP inside a ZIP only once that is opened.
  files_total integer not null default 0 check (files_total >= 0),
  files_done integer not null default 0 check (files_done >= 0),
  -- The upload that is being read, and how many files were done before it.
  upload_at integer not null default -1,
  upload_after integer not null default 0,
  imported integer not null default 0,
  duplicates integer not null default 0,
  skipped integer not null default 0,
  failed integer not null default 0,
  -- Times that the work was begun since the last file that it finished.
  attempts integer not null default 0,
  -- The job that works on it, until when.
  worked_by uuid,
  worked_until timestamptz,
  revision integer not null default 1,
  created_at timestamptz not null default now(),
  finished_at timestamptz,
  -- When there was nothing left to be done for it: its bytes are gone.
  ended_at timestamptz,
  primary key (user_id, import_id)
);

create index imports_open on imports (user_id, import_id) where ended_at is null;
create index imports_receiving on imports (created_at) where status = 'receiving';

-- The files of the form, one after the other in the bytes of the import.
create table import_uploads (
  user_id uuid not null,
  import_id uuid not null,
  position integer not null check (position >= 0),
  name text not null check (char_length(name) <= 255),
  offset_bytes bigint not null check (offset_bytes >= 0),
  size_bytes bigint not null check (size_bytes >= 0),
  primary key (user_id, import_id, position),
  foreign key (user_id, import_id) references imports on delete cascade
);

-- The bytes of an import until it is done, so that any process can work on it.
create table import_chunks (
  user_id uuid not null,
  import_id uuid not null,
  position integer not null check (position >= 0),
  bytes bytea not null,
  primary key (user_id, import_id, position),
  foreign key (user_id, import_id) references imports on delete cascade
);

-- Archives are compressed already.
alter table import_chunks alter column bytes set storage external;

-- What became of each file, in the order in which they were read.
create table import_files (
  user_id uuid not null,
  import_id uuid not null,
  position integer not null check (position >= 0),
  name text not null check (char_length(name) <= 255),
  status text not null check (status in ('imported', 'duplicate', 'skipped', 'failed')),
  reason text check (char_length(reason) between 1 and 1000),
  -- The activity that the file became, or that was there already. It may be deleted meanwhile.
  activity_id uuid,
  -- The original that the file became.
  recording_id uuid,
  finished_at timestamptz not null default now(),
  primary key (user_id, import_id, position),
  foreign key (user_id, import_id) references imports on delete cascade
);

create index import_files_of_recording on import_files (user_id, import_id, recording_id) where recording_id is not null;

-- Gear that an import has made, by the names in the export.
create table import_gear (
  user_id uuid not null,
  import_id uuid not null,
  gear_id uuid not null,
  primary key (user_id, import_id, gear_id),
  foreign key (user_id, import_id) references imports on delete cascade,
  foreign key (user_id, gear_id) references gear on delete cascade
);
