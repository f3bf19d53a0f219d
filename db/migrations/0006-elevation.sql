-- How the gain and the loss of an activity were measured; null where there are no heights, and for activities stored before.
alter table activities
  add column elevation_threshold_m double precision check (elevation_threshold_m >= 0),
  add column elevation_source text check (elevation_source in ('barometer', 'gps', 'unknown'));
alter table activities add constraint activities_elevation_whole
  check ((elevation_threshold_m is null) = (elevation_source is null)) not valid;
alter table activities validate constraint activities_elevation_whole;
