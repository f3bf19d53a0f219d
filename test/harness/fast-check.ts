import fc from 'fast-check'

// Each run tries the same cases, so that a run that fails fails again. PROPERTY_SEED=… tries others.
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.PROPERTY_SEED ?? 1) })

export default fc
