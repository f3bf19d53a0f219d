import { Type } from '@sinclair/typebox'

export const CalendarFeed = Type.Object({
  url: Type.String({
    description: 'The secret address, for a calendar to subscribe to',
    examples: ['https://trainer.example.org/api/v1/calendar/rtc_AZu80Z….ics']
  })
}, { title: 'CalendarFeed' })

export const FeedParams = Type.Object({
  token: Type.String({ description: 'The secret part of the address', examples: ['rtc_AZu80Z…'] })
})
