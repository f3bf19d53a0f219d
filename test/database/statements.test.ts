import { readFileSync, readdirSync } from 'node:fs'
import postgres from 'postgres'
import t from 'tap'
import { createDatabase } from '../harness/database.ts'
import { LOOK_UPS } from '../harness/migration-lint.ts'
import { problemsOf, statementsIn, type Tables } from '../harness/statement-rules.ts'

const sql = postgres(await createDatabase(t), { max: 1, fetch_types: false, onnotice: () => {} })
t.teardown(() => sql.end({ timeout: 5 }))

/** A table is a runner's where its primary key begins with `user_id`; the others are look-ups. */
async function tables (): Promise<Tables> {
  const rows = await sql<Array<{ name: string, is_runners: boolean }>>`
    select c.relname as name, a.attname = 'user_id' as is_runners
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
    where i.indisprimary and c.relnamespace = 'public'::regnamespace
  `
  const named = (isRunners: boolean) =>
    new Set(rows.filter((row) => row.is_runners === isRunners).map(({ name }) => name))
  return { runners: named(true), lookUps: named(false) }
}

const found = await tables()
/** Those that look after the whole database, on a connection of their own. */
const OF_THE_DATABASE = ['inspect.ts', 'migrate.ts', 'migration-target.ts', 'spread.ts', 'spread-database.ts']

t.test('a table whose key does not begin with its owner is known as a look-up', async (t) => {
  t.same([...found.lookUps].sort(), LOOK_UPS)
  const [, named = ''] = /`user_id`[^]*?((?:`\w+`(?:, | and ))+`\w+`), which are looked up/.exec(readFileSync('docs/DEPLOYMENT.md', 'utf8')) ?? []
  t.same([...named.matchAll(/\w+(?=`)/g)].map(([name]) => name).sort(), LOOK_UPS, 'and the documentation names it')
})

function problemsIn (text: string): string[] {
  return statementsIn('bad.ts', `sql\`${text.replaceAll('?', '$' + '{value}')}\``).flatMap((statement) => problemsOf(statement, found))
}

t.test('every statement of the service does on a cluster what it does on one server', async (t) => {
  const statements = readdirSync('db')
    .filter((name) => name.endsWith('.ts') && !OF_THE_DATABASE.includes(name))
    .flatMap((name) => statementsIn(name, readFileSync(`db/${name}`, 'utf8')))
  t.ok(statements.length >= 50, `${statements.length} statements`)
  t.ok(found.runners.size >= 9 && found.lookUps.has('emails'))
  for (const statement of statements) {
    t.same(problemsOf(statement, found), [], statement.name)
  }
  const names = new Set(statements.map(({ name }) => name))
  t.notOk([...names].some((name) => name.endsWith('unnamed')), 'each has its name')
})

t.test('what a cluster refuses, or would ask every node for, is found', async (t) => {
  for (const [text, expected] of [
    ['/* a */ select name from users where user_id = (select user_id from emails where address = ?)', /look-up/],
    ['/* a */ select 1 from plans where plan_id = ?', /plans does not name its owner/],
    ['/* a */ select 1 from plans p join activities a on a.activity_id = p.plan_id where p.user_id = ?', /owner/],
    ['/* a */ select (select min(local_date) from activities a where a.user_id = r.user_id) from recordings r where r.user_id = ?', /activities does not name/],
    ['/* a */ update plans set name = ? where plan_id in (select plan_id from plans where user_id = ?)', /owner/],
    ['/* a */ delete from sessions where session_id in (select session_id from sessions where expires_at <= now() order by 1 limit ?)', /again/],
    ['/* a */ delete from sessions where session_id in (select session_id from sessions where expires_at <= now() order by 1 limit ? for update skip locked) and expires_at <= now()', /skip locked/],
    ['/* a */ with x as (select user_id from users where user_id = ?) insert into sessions select user_id from x', /from a table/],
    ['/* a */ insert into idempotency_keys (user_id) values (?) on conflict do update set expires_at = now()', /on conflict/],
    ['/* a */ select set_config(\'a\', \'b\', true) from plans where user_id = ?', /volatile/],
    ['/* a */ delete from plans where user_id = ?; select 1', /several statements/],
    ['/* a */ with p as (select 1 from plans where user_id = ?) select 1 from p join users u on u.user_id = p.user_id', /users does not/],
    ['/* a */ with w as (insert into plans (user_id) values (?) returning 1) select 1 from w', /insert in a "with"/],
    ['/* a */ insert into plans (user_id) select user_id from users where user_id = ? returning plan_id', /alias/],
    ['/* a */ update plans set race = ? where user_id = ? returning jsonb_build_object(\'a\', name)', /returning/],
    ['/* a */ update plans set updated_at = case when name = ? then now() else updated_at end where user_id = ?', /case/],
    ['/* a */ update plans set updated_at = coalesce(updated_at, now()) where user_id = ?', /coalesce/],
    ['/* a */ delete from plans where user_id = ? and created_at + interval \'1 day\' < now()', /interval/]
  ] as const) {
    const problems = problemsIn(text)
    t.ok(problems.some((problem) => expected.test(problem)), `?: ${problems.join('; ')}`)
  }
})
