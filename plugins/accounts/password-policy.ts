import { normalEmail, passwordLength } from '../../db/users.ts'

/**
 * Passwords of eight characters and more that lead the lists of leaked ones. Shorter ones, one
 * character repeated and runs such as `23456789` need no list.
 */
const common = new Set(
  `password password1 password12 password123 passw0rd passw0rd1 p@ssw0rd p@ssword iloveyou sunshine
  princess football baseball superman trustno1 starwars whatever welcome1 welcome123 michelle jennifer
  computer internet corvette mercedes midnight jonathan danielle victoria liverpool chelsea1 arsenal1
  qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 1q2w3e4r 1q2w3e4r5t 1qaz2wsx zaq12wsx q1w2e3r4
  qazwsxedc asdfghjk asdfghjkl asdf1234 zxcvbnm1 abcd1234 a1b2c3d4 abc12345 aa123456 a1234567
  a12345678 123456789a 1234567890 123123123 12341234 11223344 112233445566 123654789 147258369
  987654321 987654321a 121212121 123qwe123 123456qwerty letmein1 letmein123 admin123 admin1234
  administrator changeme changeme1 changeme123 default1 testtest test1234 testing123 secret123
  master123 dragon123 monkey123 shadow123 football1 baseball1 charlie1 michael1 jordan23 superstar
  pokemon1 naruto123 animeapi anime123 anime-api samsung1 google123 facebook1 linkedin`.split(
    /\s+/,
  ),
)

/**
 * What is wrong with a new password, or undefined. Length counts, composition does not, and what is in
 * every list of guesses is refused (NIST SP 800-63B, 3.1.1.2).
 */
export function passwordProblem(password: string, email: string): string | undefined {
  const normal = password.normalize('NFKC')
  const length = [...normal].length
  if (length < passwordLength.min || length > passwordLength.max) {
    return `must have ${passwordLength.min} to ${passwordLength.max} characters; it has ${length}`
  }
  const lower = normal.toLowerCase()
  if (common.has(lower) || isRun(lower)) return 'is among the first that an attacker tries'
  const address = normalEmail(email)
  if (lower === address || lower === address.split('@', 1)[0]) return 'must not be the e-mail'
  return undefined
}

/** One character over and over, or characters that follow one another: `11111111`, `abcdefgh`. */
function isRun(text: string): boolean {
  const steps = new Set<number>()
  for (let at = 1; at < text.length; at++) steps.add(text.charCodeAt(at) - text.charCodeAt(at - 1))
  const [step] = steps
  return steps.size === 1 && Math.abs(step!) <= 1
}
