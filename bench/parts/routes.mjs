// What is asked for, the same of every server.

const BODY = JSON.stringify({
  name: 'Inserted by the bench',
  goal: 'Under three hours',
  start_date: '2024-05-06',
  end_date: '2024-08-26',
  race: { name: 'City marathon', date: '2024-08-26', distance_m: 42_195, target_time_s: 10_800 },
  notes: 'Long run on Sundays; strides on Tuesdays.'
})

const signedIn = ({ id, token }) => ({ authorization: `Bearer ${token}`, 'x-runner': id })
const shuffled = (items) => items.map((item) => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item)

/**
 * Each route: its title in the table, the least that is asked of the service's ratio, and the requests to send in turn.
 */
export const ROUTES = {
  probe: { title: 'probe route', target: 0.55, requests: () => [{ method: 'GET', path: '/', headers: {} }] },
  live: { title: '/health/live', requests: () => [{ method: 'GET', path: '/health/live', headers: {} }] },
  read: {
    title: 'read by key',
    target: 0.85,
    requests: ({ runners, planIds }) =>
      shuffled(
        runners.flatMap((runner) =>
          planIds
            .get(runner.id)
            .map((id) => ({ method: 'GET', path: `/api/v1/plans/${id}`, headers: signedIn(runner) }))
        )
      )
  },
  list: {
    title: 'list of 20',
    target: 0.9,
    requests: ({ runners }) =>
      runners.map((runner) => ({ method: 'GET', path: '/api/v1/plans?limit=20', headers: signedIn(runner) }))
  },
  insert: {
    title: 'insert',
    target: 0.85,
    requests: ({ runners }) =>
      runners.map((runner) => ({
        method: 'POST',
        path: '/api/v1/plans',
        headers: { ...signedIn(runner), 'content-type': 'application/json' },
        body: BODY
      })),
    after: async (sql) => {
      await sql`delete from plans where name = 'Inserted by the bench'`
      await sql`vacuum analyze plans`
    }
  }
}
