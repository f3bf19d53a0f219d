-- no transaction
-- Indexes on a table in use are created concurrently, so that this file runs outside of a transaction: each statement can be run again.

-- The seconds in each zone, from zone 0 on, by the settings of the activity's day, and the model of the heart-rate zones; null where there
-- are none. They are computed together with the load.
alter table activities
  add column if not exists heart_rate_model text,
  add column if not exists heart_rate_zone_s double precision[],
  add column if not exists pace_zone_s double precision[];
alter table activities drop constraint if exists activities_heart_rate_zones;
alter table activities add constraint activities_heart_rate_zones check (
  heart_rate_model in ('friel', 'karvonen', 'percent_of_max') and (heart_rate_model is null) = (heart_rate_zone_s is null)
) not valid;
alter table activities validate constraint activities_heart_rate_zones;

-- For the totals of days: everything that is added up is in the index itself. It stands in the place of the one without the zones.
drop index concurrently if exists activities_totals;
create index concurrently activities_totals on activities (user_id, local_date)
  include (
    sport, distance_m, moving_s, elevation_gain_m, load, load_version, heart_rate_model, heart_rate_zone_s, pace_zone_s
  );
drop index concurrently if exists activities_by_local_date;

-- The year of the activity's day, by which the history of records is narrowed down. Null: not yet set.
alter table best_efforts add column if not exists year smallint;
drop index concurrently if exists best_efforts_by_year;
create index concurrently best_efforts_by_year on best_efforts (user_id, distance_m, year, elapsed_s);

-- The activities that exist already are computed again in the background.
insert into recomputations (user_id, from_day, formula_version)
select user_id, min(local_date), 2 from activities group by user_id
on conflict (user_id) where activity_id is null do update
set from_day = least(recomputations.from_day, excluded.from_day), after_start_time = null, after_activity_id = null,
  formula_version = excluded.formula_version;
