/*
 * Who is signed in on the pages of this tab. The session ends with the tab: tokens are kept nowhere else.
 */
const storage = 'anime-api-session'
const root = new URL('..', import.meta.url)
let refreshing

const kept = () => JSON.parse(sessionStorage.getItem(storage) ?? 'null')

/** The account that is signed in, `{id, email, role}`; undefined without one. */
export const account = () => kept()?.user

/** The field that a request of this tab carries; a token that is about to end is replaced first. */
export async function authorization() {
  if (kept()?.renewAt <= Date.now()) {
    // One exchange for all requests that wait.
    refreshing ??= refresh().finally(() => {
      refreshing = undefined
    })
    await refreshing
  }
  const session = kept()
  return session === null ? {} : { authorization: bearer(session) }
}

/**
 * Forgets the tokens, unless others have come since the request that carried the field `used`. The next
 * request is anonymous.
 */
export function forget(used) {
  const session = kept()
  if (used === undefined || used === bearer(session)) sessionStorage.removeItem(storage)
}

const bearer = (session) => `Bearer ${session?.accessToken}`

/** Signs in with the e-mail and password of a form. Throws what the service has to say. */
export async function signIn(form) {
  const response = await post('v1/signin', {
    email: form.get('email'),
    password: form.get('password'),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.detail ?? `status ${response.status}`)
  keep(answer)
}

/** Ends the session here and at the service. */
export async function signOut() {
  const session = kept()
  forget()
  if (session === null) return
  await post('v1/signout', { refreshToken: session.refreshToken }).catch(() => undefined)
}

function keep({ accessToken, refreshToken, expiresIn, user }) {
  const renewAt = Date.now() + 800 * expiresIn
  sessionStorage.setItem(storage, JSON.stringify({ accessToken, refreshToken, renewAt, user }))
}

async function refresh() {
  const { refreshToken } = kept()
  const response = await post('v1/refresh', { refreshToken }).catch(() => undefined)
  if (response?.ok) keep(await response.json())
  else if (response?.status === 401) forget()
}

const post = (path, body) =>
  fetch(new URL(path, root), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
