-- no transaction
-- Indexes on a table in use are created concurrently, so that this file runs outside of a transaction: each statement can be run again.

-- For the totals of days: everything that is summed is in the index itself. It stands in the place of the one without the load.
drop index concurrently if exists activities_by_local_date;
create index concurrently activities_by_local_date on activities (user_id, local_date)
  include (sport, distance_m, moving_s, elevation_gain_m, load);
drop index concurrently if exists activities_by_day;
