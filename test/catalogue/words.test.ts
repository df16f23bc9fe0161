import t from 'tap'
import {
  afterPrefix,
  maxPositions,
  normalQuery,
  pairsOf,
  sortTitle,
  termsOf,
  visitWords,
} from '../../catalogue/words.ts'

/** Each word, with its position; `+2`: it fills two. */
function wordsOf(title: string): string {
  const words: string[] = []
  visitWords(title, (word, position, span) => {
    words.push(`${word}@${position}${span > 1 ? `+${span}` : ''}`)
  })
  return words.join(' ')
}

t.test('a title has these words, in this normal form', (t) => {
  const titles: [title: string, normal: string, words: string][] = [
    ['Cowboy Bebop', 'cowboy bebop', 'cowboy@0 bebop@1'],
    ['Steins;Gate', 'steins gate', 'steins@0 steinsgate@0+2 gate@1'],
    ['D.Gray-man', 'd gray man', 'd@0 dgrayman@0+3 gray@1 grayman@1+2 man@2'],
    ['K-On!!', 'k on', 'k@0 kon@0+2 on@1'],
    ['!NVADE "0" .hack//Sign', 'nvade 0 hack sign', 'nvade@0 0@1 hack@2 hacksign@2+2 sign@3'],
    ['Pokémon', 'pokemon', 'pokemon@0'],
    ['Poke\u0301mon', 'pokemon', 'pokemon@0'],
    ['Ｆｕｌｌ Ｍｅｔａｌ', 'full metal', 'full@0 metal@1'],
    ['Spice & Wolf', 'spice and wolf', 'spice@0 and@1 wolf@2'],
    ['Q&A', 'q and a', 'q@0 and@1 a@2'],
    ['İstanbul STRASSE straße', 'istanbul strasse strasse', 'istanbul@0 strasse@1 strasse@2'],
    ['ΟΔΟΣ οδός', 'οδοσ οδοσ', 'οδοσ@0 οδοσ@1'],
    ['Łódź Ærø Þór', 'lodz aero thor', 'lodz@0 aero@1 thor@2'],
    ['C³ ② Ⅳ ½', 'c3 2 iv 1 2', 'c3@0 2@1 iv@2 1@3 12@3+2 2@4'],
    ['Aʼb ʻokina', 'a b okina', 'a@0 ab@0+2 b@1 okina@2'],
    ['進撃の巨人', '進撃の巨人', '進撃@0 撃の@1 の巨@2 巨人@3 人@4'],
    ['ｶﾞﾝﾀﾞﾑ', 'ガンダム', 'ガン@0 ンダ@1 ダム@2 ム@3'],
    ['ハ・ヒ', 'ハヒ', 'ハヒ@0 ヒ@1'],
    ['バ パ', 'バ パ', 'バ@0 パ@1'],
    ['각시탈', '각시탈', '각시@0 시탈@1 탈@2'],
    ['劇場版NARUTO', '劇場版 naruto', '劇場@0 場版@1 版@2 naruto@3'],
    ['𠮷野家', '𠮷野家', '𠮷野@0 野家@1 家@2'],
    ['🎬 👨‍👩‍👧 ☆', '', ''],
    ['', '', ''],
    ['\u0301\u200d\ufeff', '', ''],
    ['a\u0000b', 'a b', 'a@0 ab@0+2 b@1'],
    ['\ud800x', 'x', 'x@0'],
    ['\ud842 𠮷野', '𠮷野', '𠮷野@0 野@1'],
  ]
  for (const [title, normal, words] of titles) {
    t.equal(sortTitle(title), normal, JSON.stringify(title))
    t.equal(wordsOf(title), words, JSON.stringify(title))
  }
  t.end()
})

t.test('however long or strange a title is, its words are bound', (t) => {
  const titles = ['x'.repeat(400), 'a-'.repeat(200), 'ﷺ'.repeat(400), '雪'.repeat(400)]
  for (const title of titles) {
    let visits = 0
    const { positions, sortTitle } = visitWords(title, (word) => {
      visits += 1
      t.ok(word.length <= 64 && word.isWellFormed())
    })
    t.ok(positions <= maxPositions && visits <= 2 * maxPositions)
    t.ok(sortTitle.length <= 400)
  }
  t.ok(termsOf('𠮷'.repeat(100))[0]!.text.isWellFormed())
  t.end()
})

t.test('the normal form of a query stands for itself, whatever the text', (t) => {
  t.equal(normalQuery('  POKÉMON, the  Movie! '), 'pokemon the movie')
  t.equal(normalQuery(' ;&'), 'and')
  for (const nothing of ['', ' ', '!?', '☆', '%', '\u0301']) t.equal(normalQuery(nothing), '')
  for (let code = 1; code < 0x110000; code += code < 0x3000 ? 1 : 37) {
    if (code >= 0xd800 && code < 0xe000) continue
    const text = `${String.fromCodePoint(code)}a${String.fromCodePoint(code)}`
    const normal = normalQuery(text)
    if (normalQuery(normal) !== normal || sortTitle(sortTitle(text)) !== sortTitle(text)) {
      t.fail(`U+${code.toString(16)}: ${normal}, then ${normalQuery(normal)}`)
    }
  }
  t.end()
})

t.test('what begins with a text comes before the text after its prefix', (t) => {
  for (const prefix of ['a', 'nar', 'z', '雪', '𠮷', '\ud7ff', 'é9']) {
    const after = afterPrefix(prefix)
    for (const more of ['', 'a', 'zzz', '\uffff', '\u{10ffff}']) {
      const text = prefix + more
      t.ok(Buffer.compare(Buffer.from(text), Buffer.from(after)) < 0, `${text} by code points`)
    }
    t.notOk(after.startsWith(prefix))
  }
  t.same(pairsOf('進撃の'), ['進撃', '撃の'])
  t.end()
})
