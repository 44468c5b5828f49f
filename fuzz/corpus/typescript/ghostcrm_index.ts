export { PRICING_PLANS, getPlan, isUnlimited } from './plans'
export { ADD_ON_PACKAGES, addOnsFor } from './add-ons'
export { PRICING_CONFIG, rolesByName } from './roles'
export * from './organization'
