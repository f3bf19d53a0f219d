-- A chunk of an original is kept as gzip from here on: XML takes a thirteenth of the room then, what watches write three fifths, and so much
-- less is copied on its way. It is packed by the thread that decodes, not by the database. Chunks that are there stay as they are and are read
-- as before; whoever does not know of the new column finds the new ones broken, never wrong.
alter table recording_chunks
  alter column bytes drop not null,
  add column gzip bytea,
  alter column gzip set storage external,
  add constraint recording_chunks_either check (num_nonnulls(bytes, gzip) = 1) not valid;
