-- no transaction
-- The statement that deletes gear clears it from its activities. A foreign key does so no more: where a table is spread over a cluster by
-- `user_id`, a key that holds it may not clear columns. Each statement can be run again.
alter table activities drop constraint if exists activities_gear;
alter table activities add constraint activities_gear foreign key (user_id, gear_id) references gear not valid;
alter table activities validate constraint activities_gear;
