import type { RolePricing } from '@/types/pricing'

const BASE_PRICE = 39

export const PRICING_CONFIG: RolePricing[] = [
  {
    role: 'sales_rep',
    displayName: 'Sales Representative',
    description: 'Everything a rep needs to close',
    icon: '📈',
    tiers: [
      {
        id: 'sales_rep_basic',
        name: 'Basic',
        description: 'Core selling tools',
        price: BASE_PRICE,
        features: ['Personal pipeline', 'Mobile app'],
        limitations: ['No forecasting'],
      },
      {
        id: 'sales_rep_pro',
        name: 'Pro',
        description: 'Selling tools with automation',
        price: BASE_PRICE + 30,
        features: ['Personal pipeline', 'Mobile app', 'Forecasting'],
        popular: true,
      },
    ],
  },
  {
    role: 'admin',
    displayName: 'Administrator',
    description: 'Runs the workspace',
    icon: '🛠️',
    tiers: [
      {
        id: 'admin_standard',
        name: 'Standard',
        description: 'Users, roles and imports',
        price: 59,
        features: ['User management', 'Imports'],
      },
      {
        id: 'admin_elite',
        name: 'Elite',
        description: 'Full control with audit and sandbox',
        price: 59 * 2 - 0.01,
        features: ['User management', 'Imports', 'Audit log', 'Sandbox'],
      },
    ],
  },
]

export const rolesByName = (name: string) =>
  PRICING_CONFIG.find((role) => role.role === name)
