-- A login, with all refresh tokens that came from it by rotation. Every change to one of them locks this row first, so that a session
-- cannot get a new token while it is being revoked.
create table sessions (
  user_id uuid not null references users on delete cascade,
  session_id uuid not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (user_id, session_id)
);

create index sessions_expiry on sessions (expires_at);

insert into sessions (user_id, session_id, created_at, expires_at)
select user_id, session_id, min(created_at), max(expires_at) from refresh_tokens group by user_id, session_id;

alter table refresh_tokens
  add constraint refresh_tokens_session foreign key (user_id, session_id) references sessions on delete cascade not valid;
alter table refresh_tokens validate constraint refresh_tokens_session;

-- Revoked sessions and accounts, for as long as a revoked token could still be valid. `subject` is a hash, so that nothing here identifies
-- a deleted account. Every instance reads new rows by `written_at`.
create table revocations (
  subject text not null check (subject ~ '^[0-9a-f]{64}$'),
  written_at timestamptz not null default clock_timestamp(),
  -- Null: all tokens. Otherwise only those issued until then.
  issued_until timestamptz,
  expires_at timestamptz not null,
  primary key (subject)
);

create index revocations_written on revocations (written_at);
create index revocations_expiry on revocations (expires_at);

create table api_keys (
  user_id uuid not null references users on delete cascade,
  key_id uuid not null,
  name text not null check (char_length(name) between 1 and 100),
  can_write boolean not null,
  secret_hash bytea not null check (octet_length(secret_hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  primary key (user_id, key_id)
);

-- The identities of users at an OpenID Connect provider. Like `emails`, they are looked up by a different key than `user_id`.
create table identities (
  issuer text not null,
  subject text not null check (char_length(subject) between 1 and 255),
  user_id uuid not null,
  primary key (issuer, subject)
);

create index identities_user on identities (user_id);

-- A token of an issuer may have no e-mail address, and an unverified one is not stored.
alter table users alter column email drop not null;
