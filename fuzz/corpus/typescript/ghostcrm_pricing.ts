export type PlanId = 'starter' | 'growth' | 'business' | 'enterprise'

export interface PricingPlan {
  id: PlanId
  name: string
  description: string
  /** Dollars a month; null: priced on request. */
  monthlyPrice: number | null
  /** Dollars a year. */
  yearlyPrice: number | null
  /** Percent off twelve months. */
  yearlyDiscount: number
  /** -1: unlimited. */
  maxUsers: number
  maxContacts: number
  maxDeals: number
  storageGB: number
  includedFeatures: string[]
  availableAddOns: string[]
  popular?: boolean
  enterprise?: boolean
  customPricing?: boolean
}

export interface AddOnPackage {
  id: string
  name: string
  description: string
  monthlyPrice: number
  features: string[]
  availableForPlans: PlanId[]
}

export interface RoleTier {
  id: string
  name: string
  description: string
  price: number
  features: string[]
  limitations?: string[]
  popular?: boolean
  stripePriceId?: string
}

export interface RolePricing {
  role: string
  displayName: string
  description: string
  icon: string
  tiers: RoleTier[]
}

export interface OrganizationPlan {
  id: string
  name: string
  description: string
  priceMonthly: number
  setupFee: number
  features: string[]
  popular?: boolean
  stripePriceId?: string
}
