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
  [/walk/, 'walking', null],
  [/hik|mountaineer|snowshoe|trekking/, 'hiking', null],
  [/treadmill|indoor_?run|virtual_?run/, 'running', 'treadmill'],
  [/trail_?run|trail_?running/, 'running', 'trail'],
  [/track_?run|track_?running/, 'running', 'track'],
  [/street_?run|road_?run/, 'running', 'road'],
  [/run|jog/, 'running', null],
  [/cycl|bik|ride|mtb/, 'cycling', null],
  [/swim/, 'swimming', null],
  [/strength|weight_?training|gym/, 'strength', null]
]

/** Whole words of other languages, as localized apps write them. */
const LOCALIZED: Record<Sport, readonly string[]> = {
  running: [
    'laufen', 'lauf', 'joggen', 'dauerlauf', 'course', 'course_à_pied', 'course_a_pied', 'footing', 'correr', 'carrera',
    'corsa', 'corrida', 'hardlopen', 'hardloop', 'løb', 'løbing', 'løping', 'løp', 'löpning', 'juoksu', 'bieg', 'bieganie',
    'běh', 'beh', 'futás', 'alergare', 'koşu', 'бег', 'біг', 'τρέξιμο', 'ריצה', 'الجري', 'دویدن', '跑步', '跑', 'ランニング',
    '달리기', 'วิ่ง', 'chạy', 'chạy_bộ', 'lari'
  ],
  walking: [
    'gehen', 'spazieren', 'spaziergang', 'marche', 'caminar', 'caminata', 'camminata', 'caminhada', 'wandelen', 'gang',
    'gåtur', 'gång', 'kävely', 'chodzenie', 'spacer', 'chůze', 'yürüyüş', 'ходьба', '步行', '走路', 'ウォーキング', '걷기'
  ],
  hiking: ['wandern', 'wanderung', 'randonnée', 'randonnee', 'senderismo', 'escursionismo', 'vandring', 'vaellus', 'turystyka', 'turistika', 'поход', '徒步', 'ハイキング', '등산'],
  cycling: ['radfahren', 'rad', 'vélo', 'velo', 'cyclisme', 'ciclismo', 'bicicleta', 'bici', 'fietsen', 'fiets', 'cykling', 'sykling', 'pyöräily', 'rower', 'kolo', 'bisiklet', 'велосипед', '骑行', '自転車', '자전거'],
  swimming: ['schwimmen', 'natation', 'natación', 'nuoto', 'natação', 'zwemmen', 'svømning', 'svømming', 'simning', 'uinti', 'pływanie', 'plavání', 'yüzme', 'плавание', '游泳', '水泳', '수영'],
  strength: ['krafttraining', 'musculation', 'fuerza', 'forza', 'krachttraining', 'styrketræning', 'styrketräning'],
  other: ['other', 'sonstiges', 'andere', 'autre', 'otro', 'altro', 'outro', 'overig', 'default', 'generic', 'workout', 'training', 'uncategorized']
}

/**
 * The sport in a GPX `<type>` or a TCX `Sport` attribute, as a word or, from Strava, as a number. A sport that is not
 * known is `other`.
 */
export function sportOfText (text: string): NamedSport & { known: boolean } {
  const word = text.trim().toLowerCase().normalize('NFC').replaceAll(/[\s-]+/g, '_').slice(0, 64)
  const numbered = own(STRAVA_TYPES, word)
  if (numbered) return { sport: numbered, subSport: null, known: true }
  for (const [pattern, sport, subSport] of WORDS) {
    if (pattern.test(word)) return { sport, subSport, known: true }
  }
  for (const sport of SPORTS) {
    if (LOCALIZED[sport].includes(word)) return { sport, subSport: null, known: true }
  }
  return { sport: 'other', subSport: null, known: false }
}

function own<Value> (table: Record<string, Value>, key: unknown): Value | undefined {
  return typeof key === 'string' && Object.hasOwn(table, key) ? table[key] : undefined
}
