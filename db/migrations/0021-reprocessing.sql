-- no transaction
-- An index on a table in use is created concurrently, so that this file runs outside of a transaction: each statement can be run again.

-- Computing everything again after formulas changed: for which versions, up to which account it is queued, and whether it pauses. One row.
create table if not exists reprocessing (
  only_row boolean primary key default true check (only_row),
  recording_version smallint not null default 0,
  load_version smallint not null default 0,
  -- Whatever version it was computed by.
  everything boolean not null default false,
  -- The last account that is queued; null: none yet.
  after_account uuid,
  finished_at timestamptz,
  paused_at timestamptz
);
-- What older formulas than these made was queued by the migrations that came with them.
insert into reprocessing (recording_version, load_version, finished_at) values (1, 2, now()) on conflict do nothing;

-- What a runner changed is computed before what is computed again for everybody, and also while that pauses.
alter table recomputations add column if not exists in_bulk boolean not null default false;
drop index concurrently if exists recomputations_next;
create index concurrently recomputations_next on recomputations (in_bulk, start_time desc);
drop index concurrently if exists recomputations_newest;
