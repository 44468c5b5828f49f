// How to add a plan: put it into
//   export const PRICING_PLANS = { … }
// and run the sync. This file only talks about it.

/* export const ORG_PLANS = [] */

export const PRICING_HELP = `
  Plans live in one object:

  export const PRICING_PLANS = {
    example: { id: 'example', monthlyPrice: 1 },
  }
`
