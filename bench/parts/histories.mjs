/** Runners of whom the service knows everything but their recordings, `count` activities each. */
export async function addRunners (sql, runners, count) {
  for (let done = 0; done < runners; done += 50) {
    const ids = await sql`
      insert into users (user_id, email)
      select gen_random_uuid(), 'crowd' || n || '@example.org' from generate_series(${done + 1}::int, ${Math.min(runners, done + 50)}::int) n
      returning user_id
    `
    await insert(sql, ids.map(({ user_id }) => user_id), count)
  }
}

/** So many activities of one runner, 500 a year until today. */
export async function addActivities (sql, userId, count) {
  await insert(sql, [userId], count)
  await sql`
    insert into physiology (user_id, physiology_id, valid_from, max_heart_rate_bpm, resting_heart_rate_bpm, threshold_pace_s_per_km)
    select ${userId}, gen_random_uuid(), current_date - n * 180, 190, 50, 240 + n from generate_series(0, 40) n
  `
}

async function insert (sql, userIds, count) {
  await sql`
    insert into activities (
      user_id, activity_id, sport, name, start_time, timezone, local_date, distance_m, elapsed_s, moving_s, elevation_gain_m,
      average_heart_rate_bpm, load, load_model, load_version, is_race, format, perceived_effort, exertion,
      heart_rate_model, heart_rate_zone_s, pace_zone_s
    )
    select u, gen_random_uuid(), case when n % 10 = 0 then 'cycling' else 'running' end, 'Run ' || n,
      at, 'UTC', at::date, 5000 + random() * 15000, 3600, 3500, random() * 200, 145, 40 + random() * 60, 'rtss', 2, n % 50 = 0,
      'manual', 4,
      jsonb_build_object('seconds', 3500, 'graded_speed_m_per_s', 3, 'heart_rate',
        (select jsonb_agg(jsonb_build_array(bpm, 50)) from generate_series(110, 180) bpm)),
      'karvonen', array[0, 100, 900, 1200, 800, 500, 0, 0]::float8[], array[0, 200, 1500, 900, 400, 300, 100, 100]::float8[]
    from unnest(${userIds}::uuid[]) u, generate_series(0, ${count - 1}::int) n,
      lateral (select now() - n * interval '17.5 hours' as at) a
  `
  // They get faster with the years, with good and bad days.
  await sql`
    insert into best_efforts (user_id, activity_id, distance_m, formula_version, elapsed_s, start_s, year)
    select a.user_id, a.activity_id, d, 1, d / (3.6 + random() * 0.8 - 0.02 * extract(epoch from now() - a.start_time) / 31557600), 0,
      extract(year from a.local_date)
    from activities a, unnest('{400, 800, 1000, 1609.344, 3218.688, 5000, 10000, 15000}'::float8[]) d
    where a.user_id = any(${userIds}::uuid[]) and a.sport = 'running' and d < a.distance_m
  `
}
