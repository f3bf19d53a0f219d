-- The queue of background work, as pg-boss 10 keeps it (version 24 of its schema), in the service's own schema: the role may not be allowed
-- to create another one. `pgboss.job` is `pgboss_job` here, and so on; queues are made by migrations alone, as the role that serves may not
-- create tables. These are look-ups, asked for across runners. What pg-boss has for schedules and events is not used, and left out.
create type pgboss_job_state as enum ('created', 'retry', 'active', 'completed', 'cancelled', 'failed');

create table pgboss_version (
  version int primary key,
  maintained_on timestamptz,
  cron_on timestamptz,
  monitored_on timestamptz
);

insert into pgboss_version (version) values (24);

create table pgboss_queue (
  name text primary key,
  policy text,
  retry_limit int,
  retry_delay int,
  retry_backoff bool,
  expire_seconds int,
  retention_minutes int,
  dead_letter text,
  partition_name text,
  created_on timestamptz not null default now(),
  updated_on timestamptz not null default now()
);

create table pgboss_job (
  id uuid not null default gen_random_uuid(),
  name text not null,
  priority integer not null default 0,
  data jsonb,
  state pgboss_job_state not null default 'created',
  retry_limit integer not null default 2,
  retry_count integer not null default 0,
  retry_delay integer not null default 0,
  retry_backoff boolean not null default false,
  start_after timestamptz not null default now(),
  started_on timestamptz,
  singleton_key text,
  singleton_on timestamp,
  expire_in interval not null default interval '15 minutes',
  created_on timestamptz not null default now(),
  completed_on timestamptz,
  keep_until timestamptz not null default now() + interval '14 days',
  output jsonb,
  dead_letter text,
  policy text,
  primary key (name, id)
);

create table pgboss_archive (like pgboss_job);
alter table pgboss_archive add primary key (name, id);
alter table pgboss_archive add column archived_on timestamptz not null default now();

create index pgboss_archive_i1 on pgboss_archive (archived_on);
create unique index pgboss_job_i1 on pgboss_job (name, coalesce(singleton_key, '')) where state = 'created' and policy = 'short';
create unique index pgboss_job_i2 on pgboss_job (name, coalesce(singleton_key, '')) where state = 'active' and policy = 'singleton';
create unique index pgboss_job_i3 on pgboss_job (name, state, coalesce(singleton_key, '')) where state <= 'active' and policy = 'stately';
create unique index pgboss_job_i4 on pgboss_job (name, singleton_on, coalesce(singleton_key, ''))
  where state <> 'cancelled' and singleton_on is not null;
create index pgboss_job_i5 on pgboss_job (name, start_after) include (priority, created_on, id) where state < 'active';

-- Bulk imports: one job waits for each runner, so that runners take turns. A process that works on one says so every few seconds; one that is
-- not heard of for 20 s has died, and the job is tried again. What its tries are used up for goes to the second queue.
insert into pgboss_queue (name, policy, retry_limit, retry_delay, retry_backoff, expire_seconds, retention_minutes) values
  ('imports-failed', 'standard', 100, 10, false, 20, 20160);
insert into pgboss_queue (name, policy, retry_limit, retry_delay, retry_backoff, expire_seconds, retention_minutes, dead_letter) values
  ('imports', 'short', 10, 1, true, 20, 20160, 'imports-failed');
