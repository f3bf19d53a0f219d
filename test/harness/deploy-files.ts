import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'

/** The repository's root, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export function text (path: string): string {
  return readFileSync(ROOT + path, 'utf8')
}

// What is read here has no type of its own: it is looked at key by key, and a key that is not there fails the test that
// asks for it.
export type Loose = any

/** A YAML file, its anchors and `<<` merged. */
export function yaml (path: string): Loose {
  return parse(text(path), { merge: true })
}

/** A Kubernetes object as it is written. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; [key: string]: Loose }
  [key: string]: Loose
}

/** Every object in the manifests of a folder, its kustomization aside. */
export function manifests (folder: string): Manifest[] {
  return readdirSync(ROOT + folder)
    .filter((name) => name.endsWith('.yaml') && name !== 'kustomization.yaml')
    .flatMap((name) =>
      parseAllDocuments(text(`${folder}/${name}`), { version: '1.1', merge: true }).map(
        (document) => document.toJS() as Manifest
      )
    )
}

export interface Rule {
  record?: string
  alert?: string
  expr: string
  for?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}
export interface RuleGroup { name: string, rules: Rule[] }

export function alertGroups (): RuleGroup[] {
  return yaml('deploy/prometheus/alerts.yml').groups
}

export interface Panel {
  id: number
  title: string
  type: string
  gridPos: { x: number; y: number; w: number; h: number }
  datasource: { uid: string }
  fieldConfig: { defaults: { unit?: string } }
  targets: { refId: string; expr: string }[]
}
export interface Dashboard {
  file: string
  uid: string
  title: string
  panels: Panel[]
  annotations: { list: { expr: string }[] }
  templating: { list: { query: { query: string } }[] }
}

export function dashboards (): Dashboard[] {
  const folder = 'deploy/grafana/dashboards'
  return readdirSync(ROOT + folder).map((file) => ({ file, ...JSON.parse(text(`${folder}/${file}`)) }))
}

/** Every PromQL expression of the rules and the dashboards, and where it stands. */
export function expressions (): { where: string, expr: string }[] {
  return [
    ...alertGroups().flatMap(({ rules }) =>
      rules.map((rule) => ({ where: `alerts.yml ${rule.alert ?? rule.record}`, expr: rule.expr }))
    ),
    ...dashboards().flatMap(({ file, panels, annotations, templating }) => [
      ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ where: `${file} ${title}`, expr }))),
      ...annotations.list.map(({ expr }) => ({ where: `${file} annotation`, expr })),
      ...templating.list.map(({ query }) => ({
        where: `${file} variable`,
        expr: /label_values\((.*), \w+\)/.exec(query.query)![1]!
      }))
    ])
  ]
}
