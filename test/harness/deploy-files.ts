import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'

/** The root of the repository, with a trailing slash. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

export function text (path: string): string {
  return readFileSync(ROOT + path, 'utf8')
}

// These files are untyped: tests read them key by key, and a missing key fails the test that reads it.
export type Loose = any

/** A YAML file with its anchors and `<<` merged. */
export function yaml (path: string): Loose {
  return parse(text(path), { merge: true })
}

/** A Kubernetes object as in its manifest. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; [key: string]: Loose }
  [key: string]: Loose
}

/** Every object in the manifests of a directory, without its kustomization. */
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

/** Every PromQL expression of the rules and the dashboards, with its place. */
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
