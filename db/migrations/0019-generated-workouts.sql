-- The revision in which a workout was last written by the generator; null: by the runner. A workout in another revision
-- was edited since, and is the runner's own.
alter table workouts add column generated_revision integer;
