-- On its own: in the transaction that adds the constraint it would keep everybody out of the table while it reads.
alter table recording_chunks validate constraint recording_chunks_either;
