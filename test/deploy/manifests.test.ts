import { execFile, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { UPLOAD_BUDGET_BYTES } from '../../src/uploads/budget.ts'
import { dashboards, manifests, ROOT, text, yaml, type Loose, type Manifest } from '../harness/deploy-files.ts'
import { stages } from '../harness/dockerfile.ts'

const BASE = 'deploy/kubernetes/base'
const all = [...manifests(BASE), ...manifests('deploy/kubernetes/monitoring')]

function only (kind: string): Manifest {
  const found = all.filter((one) => one.kind === kind)
  if (found.length !== 1) throw new Error(`${found.length} of ${kind}`)
  return found[0]!
}

const deployment = only('Deployment')
const job = only('Job')
const pod = deployment.spec.template.spec
const [container] = pod.containers
const settings: Record<string, string> = only('ConfigMap').data
const seconds = (name: string) => Number(settings[name])
/** The time limit of the readiness check in seconds; its response takes slightly longer. */
const HEALTH_CHECK_DEADLINE_S = 1

t.test('the base contains every object of the deployment, and names no namespace', async (t) => {
  t.strictSame(all.map(({ kind }) => kind).sort(), [
    'ConfigMap',
    'Deployment',
    'HorizontalPodAutoscaler',
    'Job',
    'NetworkPolicy',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
    'ServiceMonitor'
  ])
  t.strictSame(all.filter(({ metadata }) => metadata.namespace), [])
  const listed = (yaml(`${BASE}/kustomization.yaml`).resources as string[]).sort()
  t.strictSame(
    listed,
    readdirSync(ROOT + BASE)
      .filter((name) => name !== 'kustomization.yaml')
      .sort(),
    'each file is listed'
  )
})

t.test('the manifests refer to secrets and contain none', async (t) => {
  t.notOk(all.some(({ kind }) => kind === 'Secret'))
  t.notMatch(JSON.stringify(settings), /SECRET|PASSWORD|TOKEN|DATABASE_URL/)
  const variables = Object.fromEntries(container.env.map(({ name, value }: Loose) => [name, value]))
  t.strictSame(Object.keys(variables).sort(), ['DATABASE_URL_FILE', 'JWT_SECRET_FILE', 'METRICS_TOKEN_FILE'])
  const mounted = container.volumeMounts.find(({ name }: Loose) => name === 'secrets')
  t.equal(mounted.readOnly, true)
  for (const path of Object.values(variables)) t.match(path, new RegExp(`^${mounted.mountPath}/[a-z-]+$`))
  t.equal(pod.volumes.find(({ name }: Loose) => name === 'secrets').secret.defaultMode, 0o440)
  t.equal(
    only('ServiceMonitor').spec.endpoints[0].authorization.credentials.key,
    variables.METRICS_TOKEN_FILE.split('/').pop()
  )
})

t.test('the probes have the intervals of the guide, and wait longer than the check behind them', async (t) => {
  t.match(container.livenessProbe, { httpGet: { path: '/health/live' }, initialDelaySeconds: 10, periodSeconds: 30 })
  t.match(container.readinessProbe, { httpGet: { path: '/health/ready' }, initialDelaySeconds: 5, periodSeconds: 10 })
  t.match(container.startupProbe, { httpGet: { path: '/health/live' } })
  for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    const { timeoutSeconds, periodSeconds } = container[name]
    t.ok(timeoutSeconds > HEALTH_CHECK_DEADLINE_S, `${name} waits longer than the check`)
    t.ok(name === 'startupProbe' || timeoutSeconds <= periodSeconds, `${name} is over before the next`)
  }
  const { periodSeconds, failureThreshold } = container.startupProbe
  t.ok(periodSeconds * failureThreshold >= 30, 'a slow start is no failure')
})

t.test('every port and path matches the service', async (t) => {
  const port = Number(settings.PORT)
  t.equal(port, 8000)
  t.match(container.ports, [{ name: 'http', containerPort: port }])
  for (const name of ['startupProbe', 'livenessProbe', 'readinessProbe']) t.equal(container[name].httpGet.port, 'http')
  t.equal(only('Service').spec.ports[0].targetPort, 'http')
  t.equal(only('NetworkPolicy').spec.ingress[0].ports[0].port, port)
  t.match(only('ServiceMonitor').spec.endpoints[0], { port: 'http', path: '/metrics' })
  t.equal(only('Service').spec.ports[0].name, 'http')
  const last = stages(text('Dockerfile')).at(-1)!.instructions
  t.equal(last.find(({ keyword }) => keyword === 'EXPOSE')!.rest, String(port))
  for (const name of ['DATA_DIR', 'LOG_DIR']) {
    t.match(last.find(({ keyword }) => keyword === 'ENV')!.rest, `${name}=${settings[name]}`)
    t.ok(container.volumeMounts.some(({ mountPath }: Loose) => mountPath === settings[name]), `${name} can be written`)
  }
})

t.test('the volume of DATA_DIR has room for all that is spooled there', async (t) => {
  const mount = container.volumeMounts.find(({ mountPath }: Loose) => mountPath === settings.DATA_DIR)
  const { emptyDir } = pod.volumes.find(({ name }: Loose) => name === mount.name)
  const [, gib] = /^(\d+)Gi$/.exec(emptyDir.sizeLimit)!
  t.ok(Number(gib) * 2 ** 30 > 2 * UPLOAD_BUDGET_BYTES * Number(settings.WORKERS ?? 1), emptyDir.sizeLimit)
})

t.test('the waits of a shutdown add up to less than the grace period of the pod', async (t) => {
  const { command } = container.lifecycle.preStop.exec
  t.equal(command[0], 'sleep')
  const needed = Number(command[1]) + seconds('SHUTDOWN_DRAIN_DELAY') + seconds('REQUEST_TIMEOUT')
  const margin = pod.terminationGracePeriodSeconds - needed
  t.ok(margin >= 10, `${pod.terminationGracePeriodSeconds} s of grace for ${needed} s`)
  t.ok(seconds('DATABASE_QUERY_TIMEOUT') < seconds('REQUEST_TIMEOUT'))
  const { stop_grace_period: grace, environment } = yaml('docker-compose.yml').services.service
  t.ok(
    parseInt(grace) >= Number(environment.SHUTDOWN_DRAIN_DELAY) + Number(environment.REQUEST_TIMEOUT) + 10,
    'in compose too'
  )
})

t.test('the connections of all pools fit into max_connections', async (t) => {
  const connections = Number(only('ConfigMap').metadata['annotations']['running-trainer/database-max-connections'])
  const { maxSurge, maxUnavailable } = deployment.spec.strategy.rollingUpdate
  const { minReplicas, maxReplicas } = only('HorizontalPodAutoscaler').spec
  const inPools = (maxReplicas + maxSurge) * seconds('MAX_POOL_SIZE')
  // The migration, connections for cancellations, backups, a psql session, and those reserved for superusers.
  t.ok(inPools + 15 <= connections, `${inPools} of ${connections}`)
  t.equal(maxUnavailable, 0)
  t.ok(minReplicas >= 2)
  t.ok(only('PodDisruptionBudget').spec.maxUnavailable < minReplicas)
  t.notOk('replicas' in deployment.spec, 'the autoscaler decides')
})

t.test('every pod runs unprivileged with a read-only root file system', async (t) => {
  for (const { kind, spec } of [deployment, job]) {
    const it = spec.template.spec
    t.match(
      it.securityContext,
      { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      kind
    )
    t.equal(it.automountServiceAccountToken, false, kind)
    for (const one of it.containers) {
      t.match(
        one.securityContext,
        { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        kind
      )
      t.ok(
        one.resources.requests.cpu && one.resources.requests.memory && one.resources.limits.memory,
        `${kind} has resource requests and limits`
      )
    }
  }
  t.match(stages(text('Dockerfile')).at(-1)!.instructions.find(({ keyword }) => keyword === 'USER')!.rest, /^1000:/)
})

t.test('every selector matches the pods of the deployment, and not those of the migration', async (t) => {
  const labels = deployment.spec.template.metadata.labels
  const selectors = [
    deployment.spec.selector.matchLabels,
    only('Service').spec.selector,
    only('PodDisruptionBudget').spec.selector.matchLabels,
    ...pod.topologySpreadConstraints.map(({ labelSelector }: Loose) => labelSelector.matchLabels)
  ]
  t.equal(selectors.length, 5)
  const matches = (selector: Record<string, string>, given: Record<string, string>) =>
    Object.entries(selector).every(([key, value]) => given[key] === value)
  for (const selector of selectors) {
    t.ok(matches(selector, labels))
    t.notOk(matches(selector, job.spec.template.metadata.labels))
  }
  t.ok(matches(only('ServiceMonitor').spec.selector.matchLabels, only('Service').metadata['labels']))
  for (const one of [deployment, job]) {
    t.ok(
      matches(only('NetworkPolicy').spec.podSelector.matchLabels, one.spec.template.metadata.labels),
      'the policy applies to both'
    )
  }
  t.match(only('HorizontalPodAutoscaler').spec.scaleTargetRef, { kind: 'Deployment', name: deployment.metadata.name })
})

t.test('the Job migrates, and the pods wait for it', async (t) => {
  t.strictSame(job.spec.template.spec.containers[0].command, ['node', 'dist/src/cli.js', 'migrate'])
  t.equal(settings.MIGRATE_ON_START, 'false')
  t.equal(job.spec.template.spec.containers[0].image, container.image)
  t.equal(settings.NODE_ENV, 'production')
})

const noConfig = existsSync(join(ROOT, 'src/config/read.ts')) ? false : 'src/config/read.ts is not there yet'
t.test('every variable in the manifests is known to the service', { skip: noConfig }, async (t) => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => /config.*\.ts$/.test(path))
    .map((path) => text(`src/${path}`))
    .join('\n')
  const image = stages(text('Dockerfile')).at(-1)!.instructions.find(({ keyword }) => keyword === 'ENV')!.rest
  const given = [
    ...Object.keys(settings),
    ...container.env.map(({ name }: Loose) => name as string),
    ...Object.keys(yaml('docker-compose.yml').services.service.environment),
    ...[...image.matchAll(/(\w+)=/g)].map(([, name]) => name!)
  ]
  t.ok(given.length > 20)
  const known = (name: string) => new RegExp(`\\b${name.replace(/_FILE$/, '')}\\b`).test(sources)
  t.strictSame(given.filter((name) => !known(name)), [])
})

const kubectl = spawnSync('kubectl', ['version', '--client'])
t.test(
  'kustomize builds the base and the example',
  { skip: kubectl.status === 0 ? false : 'kubectl is not installed' },
  async (t) => {
    for (const folder of [BASE, 'deploy/kubernetes/example']) {
      const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { cwd: ROOT, encoding: 'utf8' })
      t.equal(status, 0, stderr)
      t.equal(stdout.match(/^kind: /gm)!.length, folder === BASE ? 8 : 9)
      if (folder !== BASE) t.notMatch(stdout, /image: running-trainer$/m, 'the overlay names the image')
    }
  }
)

const compose = yaml('docker-compose.yml')
const services: Record<string, Loose> = compose.services

t.test('compose includes the service, its database, metrics and dashboards', async (t) => {
  t.strictSame(Object.keys(services).sort(), ['grafana', 'postgres', 'prometheus', 'secrets', 'service'])
  for (const [name, one] of Object.entries(services)) {
    if (name !== 'secrets') t.ok(one.healthcheck?.test?.[0] === 'CMD', `${name} has a health check, without a shell`)
    for (const dependency of Object.keys(one.depends_on ?? {})) {
      t.ok(services[dependency], `${name} waits for ${dependency}`)
      t.equal(
        one.depends_on[dependency].condition,
        dependency === 'secrets' ? 'service_completed_successfully' : 'service_healthy'
      )
    }
    for (const mount of one.volumes as string[]) {
      const from = mount.split(':')[0]!
      if (from.startsWith('.')) t.ok(existsSync(join(ROOT, from)), `${from} is in the repository`)
      else t.ok(from in compose.volumes, `${from} is a volume`)
    }
    t.ok(one.build || /:v?\d[\w.]*$/.test(one.image), `${name} has a version`)
    for (const port of (one.ports ?? []) as string[]) { t.match(port, /^\$\{BIND_ADDRESS:-127\.0\.0\.1\}:/, `${name} is open to this machine only`) }
  }
  t.strictSame(
    Object.keys(compose.volumes).filter((volume) => !JSON.stringify(services).includes(`"${volume}:`)),
    [],
    'each volume is used'
  )
})

t.test('compose contains no secret, and every required variable has a value', async (t) => {
  const source = text('docker-compose.yml')
  for (const [, name] of source.matchAll(/\$\{(\w+)(?![\w:-])/g)) t.fail(`${name} has no default`)
  const { environment } = services.service
  for (const name of ['DATABASE_URL', 'JWT_SECRET', 'METRICS_TOKEN']) {
    t.notOk(name in environment)
    t.match(environment[`${name}_FILE`], /^\/run\/made\//)
  }
  t.equal(environment.NODE_ENV, 'production')
  t.match(services.service, { read_only: true, cap_drop: ['ALL'] })
})

t.test('the secrets of compose are generated once, each readable by its user only', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'secrets-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const make = () => promisify(execFile)(process.execPath, [join(ROOT, 'deploy/compose/make-secrets.mjs'), folder])
  const contents = () =>
    Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]))
  await make()
  const first = contents()
  const { stdout } = await make()
  t.strictSame(contents(), first, 'the second time changes nothing')
  t.equal(stdout, '')
  for (const name of Object.keys(first)) t.equal(statSync(join(folder, name)).mode & 0o777, 0o400, name)
  t.ok(Buffer.byteLength(first['jwt-secret']!) >= 32)
  t.equal(new URL(first['database-url']!).password, first['postgres-password'])
  t.equal(new URL(first['database-url']!).hostname, 'postgres')
  t.equal(first['metrics-token'], first['prometheus-token'])
  const asked = [
    ...(text('docker-compose.yml') + text('deploy/prometheus/prometheus.yml')).matchAll(/\/run\/made\/([\w-]+)/g)
  ].map(([, name]) => name!)
  t.strictSame([...new Set(asked)].sort(), Object.keys(first).sort(), 'all that is asked for is made')
  if (process.getuid?.() === 0) t.equal(statSync(join(folder, 'jwt-secret')).uid, 1000, "the service's own")
})

t.test('Prometheus scrapes the service, and Grafana finds its dashboards and its data source', async (t) => {
  const { scrape_configs: scraped, rule_files: rules } = yaml('deploy/prometheus/prometheus.yml')
  const [target] = scraped.filter(({ job_name: name }: Loose) => name === 'running-trainer')
  t.match(target, { metrics_path: '/metrics', static_configs: [{ targets: ['service:8000'] }] })
  t.strictSame(rules, ['alerts.yml'])
  const [source] = yaml('deploy/grafana/provisioning/datasources/prometheus.yml').datasources
  t.equal(source.url, 'http://prometheus:9090')
  for (const { file, panels } of dashboards()) {
    t.strictSame(panels.filter(({ datasource }) => datasource.uid !== source.uid), [], file)
  }
  const [provider] = yaml('deploy/grafana/provisioning/dashboards/running-trainer.yml').providers
  const mounts = services.grafana.volumes as string[]
  t.ok(mounts.includes(`./deploy/grafana/dashboards:${provider.options.path}:ro`))
  t.ok(mounts.includes('./deploy/grafana/provisioning:/etc/grafana/provisioning:ro'))
})
