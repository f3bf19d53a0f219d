-- A login, and all refresh tokens that came from it by rotation. Every change of one of them locks this row first, so that a family cannot
-- grow while it is being revoked.
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

-- Who was let in before and is to be let in no more, for as long as a token that says otherwise may still be about. `subject` is a hash:
-- nothing here tells of an account that is gone. Every instance reads what is new by `written_at`.
create table revocations (
  subject text not null check (subject ~ '^[0-9a-f]{64}$'),
  written_at timestamptz not null default clock_timestamp(),
  -- Null: whatever the token. Else only those issued up to then.
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

-- Who an OpenID Connect provider says somebody is. As `emails`, it is what a user is found by, and so stands apart from `users`.
create table identities (
  issuer text not null,
  subject text not null check (char_length(subject) between 1 and 255),
  user_id uuid not null,
  primary key (issuer, subject)
);

create index identities_user on identities (user_id);

-- An issuer need not tell an e-mail address, and one it did not check is nobody's.
alter table users alter column email drop not null;
