/** The sports that the service distinguishes. */
export const SPORTS = ['running', 'cycling', 'swimming', 'walking', 'hiking', 'strength', 'other'] as const
export type Sport = typeof SPORTS[number]

/** The kinds of running that matter for training. */
export const SUB_SPORTS = ['road', 'trail', 'track', 'treadmill'] as const
export type SubSport = typeof SUB_SPORTS[number]

export interface NamedSport {
  sport: Sport
  subSport: SubSport | null
}

/** Sports with steps: their recordings count one leg, the service counts both. */
export function hasSteps (sport: Sport): boolean {
  return sport === 'running' || sport === 'walking' || sport === 'hiking'
}

/**
 * The speed, in m/s, above which the distance between two records is an error of the device and not a movement: just
 * above the human record (12.4 m/s in Bolt's 100 m, 2.4 m/s over 50 m of swimming, about 40 m/s downhill on a bicycle).
 */
export const PLAUSIBLE_SPEED_M_PER_S: Record<Sport, number> = {
  running: 12.5, walking: 12.5, hiking: 12.5, cycling: 40, swimming: 4, strength: 12.5, other: 100
}

/** The values of `sport` in FIT session messages, as the official decoder spells them. */
const FIT_SPORTS: Record<string, Sport> = {
  running: 'running',
  cycling: 'cycling',
  eBiking: 'cycling',
  swimming: 'swimming',
  walking: 'walking',
  hiking: 'hiking',
  mountaineering: 'hiking',
  snowshoeing: 'hiking'
}

const FIT_SUB_SPORTS: Record<string, SubSport> = {
  treadmill: 'treadmill',
  indoorRunning: 'treadmill',
  street: 'road',
  road: 'road',
  trail: 'trail',
  ultra: 'trail',
  mountain: 'trail',
  track: 'track'
}

/** The sport of a FIT session, from the decoder's names: `running`, `trail`. An unknown sport is `other`. */
export function sportOfFit (sport: unknown, subSport: unknown): NamedSport {
  if (sport === 'training' && subSport === 'strengthTraining') return { sport: 'strength', subSport: null }
  if (sport === 'fitnessEquipment' && (subSport === 'treadmill' || subSport === 'indoorRunning')) {
    return { sport: 'running', subSport: 'treadmill' }
  }
  const named = own(FIT_SPORTS, sport) ?? 'other'
  return { sport: named, subSport: named === 'running' ? own(FIT_SUB_SPORTS, subSport) ?? null : null }
}

/** The numbers that Strava writes as `<type>` of a GPX track. */
const STRAVA_TYPES: Record<string, Sport> = { 1: 'cycling', 4: 'hiking', 9: 'running', 10: 'walking', 16: 'swimming' }

/** Words in the free text of GPX types and TCX sports; the first match wins. */
const WORDS: ReadonlyArray<readonly [RegExp, Sport, SubSport | null]> = [
  [/treadmill|indoor_?run|virtual_?run/, 'running', 'treadmill'],
  [/trail_?run|trail_?running/, 'running', 'trail'],
  [/track_?run|track_?running/, 'running', 'track'],
  [/street_?run|road_?run/, 'running', 'road'],
  [/run|jog/, 'running', null],
  [/cycl|bik|ride|mtb/, 'cycling', null],
  [/swim/, 'swimming', null],
  [/hik|mountaineer|snowshoe/, 'hiking', null],
  [/walk/, 'walking', null],
  [/strength|weight_?training|gym/, 'strength', null]
]

/**
 * The sport in a GPX `<type>` or a TCX `Sport` attribute, as a word or, from Strava, as a number. An unknown sport is
 * `other`.
 */
export function sportOfText (text: string): NamedSport {
  const word = text.trim().toLowerCase().replaceAll(/[\s-]+/g, '_').slice(0, 64)
  const numbered = own(STRAVA_TYPES, word)
  if (numbered) return { sport: numbered, subSport: null }
  for (const [pattern, sport, subSport] of WORDS) {
    if (pattern.test(word)) return { sport, subSport }
  }
  return { sport: 'other', subSport: null }
}

function own<Value> (table: Record<string, Value>, key: unknown): Value | undefined {
  return typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined
}
