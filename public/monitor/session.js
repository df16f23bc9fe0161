/* The session ends with the tab: tokens are kept nowhere else. */
const storage = 'anime-api-monitor'

const tokens = () => JSON.parse(sessionStorage.getItem(storage) ?? '{}')

export function authorization() {
  const { accessToken } = tokens()
  return accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }
}

/** Takes the access token away; the next request asks for a new one. */
export function forget() {
  sessionStorage.removeItem(storage)
}

/** Signs in with the e-mail and password of a form. Throws what the service has to say. */
export async function signIn(form) {
  const response = await fetch('/v1/signin', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: form.get('email'), password: form.get('password') }),
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.detail ?? `status ${response.status}`)
  keep(answer)
}

function keep({ accessToken, refreshToken, expiresIn }) {
  sessionStorage.setItem(storage, JSON.stringify({ accessToken, refreshToken }))
  // A refresh token may be used once; well before the access token ends.
  setTimeout(refresh, 800 * expiresIn)
}

async function refresh() {
  const { refreshToken } = tokens()
  if (refreshToken === undefined) return
  const response = await fetch('/v1/refresh', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refreshToken }),
  }).catch(() => undefined)
  if (response?.ok) keep(await response.json())
}
