-- no transaction
-- An index on a table in use is created concurrently, so that this file runs outside of a transaction: each statement can be run again.

-- Why a file was not imported, by a closed list of codes. Null: it was imported, or reported before there were codes.
alter table import_files add column if not exists reason_code text;
-- The position of the file whose recording took the place of this one's: events tell of this one again then.
alter table import_files add column if not exists superseded_by integer;
drop index concurrently if exists import_files_superseded;
create index concurrently import_files_superseded on import_files (user_id, import_id, superseded_by) where superseded_by is not null;
