import { SETUP_FEES } from '@/config/pricing/setup-fees'
import type { OrganizationPlan } from '@/types/pricing'

export const ORG_PLANS: OrganizationPlan[] = [
  {
    id: 'team',
    name: 'Team',
    description: 'One workspace for up to 50 people',
    priceMonthly: 490,
    setupFee: SETUP_FEES.guided,
    features: ['Shared inbox', 'Team reports'],
  },
  {
    id: 'scale',
    name: 'Scale',
    description: 'Many workspaces under one roof',
    priceMonthly: 1_290,
    setupFee: SETUP_FEES.migration,
    features: ['Multiple workspaces', 'Data residency', 'Migration by our team'],
    popular: true,
  },
]
