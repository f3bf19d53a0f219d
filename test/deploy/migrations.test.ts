import { readFileSync, readdirSync } from 'node:fs'
import t from 'tap'
import { lint } from '../harness/migration-lint.ts'

const CLEAN: [string, string][] = [
  [
    'a new table, with its indexes and constraints',
    `
    create table gear (user_id uuid not null, id uuid not null, name text not null, primary key (user_id, id));
    create index gear_by_name on gear (user_id, name);
    alter table gear add constraint named check (name <> '');
    alter table gear add column weight_g integer not null;`
  ],
  [
    'a new table by its qualified and quoted name',
    'create table if not exists public."gear" (id uuid);\ncreate unique index on gear (id);'
  ],
  ['a column that may be null', 'alter table gear add column notes text'],
  ['a column with one default for all', "alter table gear add column kind text not null default 'shoe, or; bike'"],
  ['a default that is worked out once', 'alter table gear add column made_at timestamptz not null default now()'],
  ['a default for rows to come', 'alter table gear alter column id set default gen_random_uuid()'],
  [
    'an index created concurrently outside a transaction',
    '-- no transaction\ncreate index concurrently if not exists gear_by_name on gear (user_id, name);'
  ],
  [
    'a constraint in two steps',
    "alter table gear add constraint named check (name <> '') not valid;\nalter table gear validate constraint named;\nalter table gear alter column name set not null;"
  ],
  ['a constraint on an index that is there', 'alter table gear add constraint one unique using index gear_one'],
  ['a column that nobody reads any more', '-- contract: not read since 1.4\nalter table gear drop column notes;'],
  ['a table that nobody reads any more', '/* one\n two */\n-- contract: replaced by gear in 1.3\ndrop table shoes;'],
  ['a shorter wait for locks', "set local lock_timeout = '500ms'; set lock_timeout to 1000"],
  [
    'what is only said',
    "-- alter table gear drop column notes\ninsert into notes values ('drop table gear; set lock_timeout = 0');"
  ],
  [
    'strings that contain SQL syntax',
    "insert into a values ('\\'); insert into a values (E'\\'; drop table gear;'); insert into a values ('-- contract')"
  ],
  [
    'the body of a function',
    'create function f() returns void language plpgsql as $f$ begin drop table gear; end $f$;'
  ],
  [
    'a constraint that is dropped or renamed',
    'alter table gear drop constraint named; alter table gear rename constraint a to b; alter table gear alter column name drop not null'
  ],
  [
    'the storage of a column of a table that was just made',
    'create table a (b bytea);\ncreate index a_b on a (b);\nalter table a alter column b set storage external;'
  ],
  ['nothing', '-- nothing\n']
]

const PROBLEMS: [string, string, RegExp][] = [
  [
    'an index on a table that is in use',
    'create index gear_by_name on gear (user_id, name)',
    /^line 1: an index on gear keeps writers out/
  ],
  [
    'an index without a name',
    'create unique index on public.gear using btree (id)',
    /an index on gear keeps writers out/
  ],
  [
    'an index on another table than the new one',
    'create table a (id uuid);\ncreate index b_id on b (id);',
    /^line 2: an index on b/
  ],
  [
    'an index created concurrently within a transaction',
    'create index concurrently gear_by_name on gear (name)',
    /-- no transaction/
  ],
  [
    '"no transaction" said too late',
    'select 1;\n-- no transaction\ncreate index concurrently gear_by_name on gear (name)',
    /^line 3: .*-- no transaction/
  ],
  ['an index dropped under a lock', 'drop index gear_by_name', /concurrently/],
  ['another type', 'alter table gear alter column name type varchar(80)', /changes the type of a column of gear/],
  ['another type in other words', 'ALTER TABLE ONLY "gear" ALTER name SET DATA TYPE text', /changes the type/],
  ['a second action', 'alter table gear add column a numeric(4, 2), alter column b type text', /changes the type/],
  [
    'a column that must not be null',
    'alter table gear add column name text not null',
    /must not be null and has no default/
  ],
  [
    'a default for each row',
    'alter table gear add column id uuid not null default gen_random_uuid()',
    /a default of its own for each row/
  ],
  [
    'a moment for each row',
    'alter table gear add column at timestamptz default clock_timestamp()',
    /a default of its own for each row/
  ],
  ['a number for each row', 'alter table gear add column number bigserial', /numbers each row/],
  ['an identity', 'alter table gear add column number bigint generated always as identity', /worked out for each row/],
  [
    'a stored expression',
    'alter table gear add column double_m integer generated always as (distance_m * 2) stored',
    /worked out for each row/
  ],
  ['a unique column', 'alter table gear add column code text unique', /makes an index of gear/],
  ['not null, unproven', 'alter table gear alter column name set not null', /reads all of gear/],
  ['a check of all rows', "alter table gear add constraint named check (name <> '')", /not valid/],
  ['a foreign key checked at once', 'alter table gear add foreign key (user_id) references users (id)', /not valid/],
  ['a primary key', 'alter table gear add primary key (id)', /using index/],
  ['a column dropped', 'alter table gear drop column if exists notes', /drops a column of gear/],
  ['a column dropped in fewer words', 'alter table gear drop notes', /drops a column of gear/],
  ['a note that says nothing', '-- contract:\nalter table gear drop column notes', /drops a column of gear/],
  [
    'a note for another statement',
    '-- contract: not read since 1.4\nselect 1; alter table gear drop column notes',
    /drops a column of gear/
  ],
  ['a column renamed', 'alter table gear rename column name to title', /renames in gear/],
  ['a column renamed in fewer words', 'alter table gear rename name to title', /renames in gear/],
  ['a table renamed', 'alter table gear rename to kit', /renames in gear/],
  ['a table dropped', 'drop table if exists gear', /drops the table gear/],
  ['no bound on the wait for locks', 'set lock_timeout = 0', /lock_timeout/],
  ['no bound, in a string', "set local lock_timeout to '0s'", /lock_timeout/],
  ['no bound, by a function', "select set_config('lock_timeout', '0', true)", /lock_timeout/],
  ["the server's own bound", 'reset lock_timeout', /lock_timeout/],
  ['a table written anew', 'vacuum full gear', /anew/],
  ['a trigger', 'create trigger a before insert on gear for each row execute function f()', /trigger/],
  [
    'a foreign key that clears',
    'alter table gear add constraint a foreign key (user_id, b) references c on delete set null (b) not valid',
    /clears columns by a foreign key/
  ],
  ['a foreign key to a look-up', 'create table a (b text references emails)', /refers to emails/],
  [
    'a constraint beside something else',
    'alter table gear add column a int, add constraint b check (a > 0) not valid',
    /beside something else/
  ],
  ['the storage of a column', 'alter table gear alter column a set storage external', /sets the storage/],
  [
    'the storage of a column of a table that is spread by now',
    "create table a (b bytea);\nupdate gear set name = '';\nalter table a alter column b set storage external;",
    /^line 3: sets the storage/
  ],
  ['a column with a check', 'alter table gear add column a int check (a > 0)', /with a constraint/],
  [
    'what comes after a string with an end in it',
    "insert into a values ('it''s; fine');\nalter table gear drop column b;",
    /^line 2: drops a column/
  ]
]

t.test('changes that keep the previous version working are accepted', async (t) => {
  for (const [name, sql] of CLEAN) t.strictSame(lint(sql), [], name)
})

t.test('a long table lock and the removal of a part in use are reported, once each', async (t) => {
  for (const [name, sql, expected] of PROBLEMS) {
    const found = lint(sql)
    t.equal(found.length, 1, `${name}: ${found.join('; ')}`)
    t.match(found[0], expected, name)
  }
})

t.test('every migration of the service can run while the previous version serves', async (t) => {
  const names = readdirSync('db/migrations').filter((name) => name.endsWith('.sql'))
  t.ok(names.length > 0)
  // Older ones are applied before anything is spread: npm run spread refuses while migrations are pending.
  const before = (name: string) => name < '0009'
  for (const name of names) {
    const found = lint(readFileSync(`db/migrations/${name}`, 'utf8'))
    t.same(found.filter((problem) => !before(name) || !/spread table/.test(problem)), [], name)
  }
})
