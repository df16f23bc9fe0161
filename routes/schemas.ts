export * from '../schemas/anime.ts'
export * from '../schemas/lists.ts'
export * from '../schemas/problems.ts'
