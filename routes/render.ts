export * from '../catalogue/render.ts'
