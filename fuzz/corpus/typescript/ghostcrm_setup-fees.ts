/** One-time fees in dollars, charged when an organization is set up. */
export const SETUP_FEES = {
  guided: 499,
  migration: 2 * 750,
} as const
