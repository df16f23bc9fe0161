import type { ColumnName, ColumnValue } from './columns.ts'

type AnimeType = ColumnValue<'type'>

/*
 * How others call what we keep: names of columns and spellings of types, in several languages. Names are
 * compared in `plain` form (no case, accents, blanks or punctuation). To know one more, add it here.
 */

/** A name without case, accents, blanks and punctuation: `Año`, `ano`; `anime_id`, `animeid`. */
export const plain = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '')

interface Names {
  /** Groups of names that mean the column; the first group of which one is there is taken. */
  readonly sure: readonly string[]
  /** Names that may mean something else: their values decide. */
  readonly doubtful?: readonly string[]
  /** Where the first column says nothing, the next that is there is read. */
  readonly chained?: boolean
}

/** The key by which a source knows its titles. */
export const keyNames: Names = {
  sure: [
    'animeid',
    'malid myanimelistid malanimeid',
    'anilistid anidbid kitsuid shikimoriid bangumiid',
  ],
  doubtful: ['id', 'uid', 'sourceid subjectid subject'],
}

export const columnNamesInFiles: Readonly<Record<ColumnName, Names>> = {
  title: {
    sure: [
      'title animetitle titulo titre titel titolo タイトル 作品名 标题 標題 제목 название judulanime',
      'name animename nombre nome nom nama',
      'titleromaji romaji romajititle',
      'englishtitle titleenglish titleen englishname nameenglish',
    ],
  },
  type: {
    sure: [
      'type animetype',
      'mediatype mediaformat format kind showtype',
      'tipo typ tipe тип 形式 类别 유형',
    ],
  },
  year: {
    sure: [
      'year seasonyear startseasonyear startdateyear releaseyear yearofrelease yearreleased startyear ano annee anno jahr tahun год 年 年度 연도',
    ],
    doubtful: [
      'aired airedfrom airedon airdate firstaired',
      'startdate releasedate releasedon released release premieredate datereleased',
      'premiered season startseason airedseason date time estreno fechadeestreno',
    ],
    chained: true,
  },
  score: {
    sure: [
      'score animescore mean meanscore averagescore avgscore malscore weightedscore',
      'puntuacion puntaje punteggio pontuacao bewertung оценка 評価 評分 评分 평점',
    ],
    doubtful: ['rating averagerating avgrating ratings note nota skor'],
  },
  episodes: {
    sure: [
      'episodes eps',
      'episodecount episodescount numepisodes numberofepisodes numofepisodes noofepisodes nepisodes totalepisodes episodestotal episode episodenumber',
      'episodios episodi folgen episoden эпизоды 話数 全話数 集数 话数 화수',
    ],
    chained: true,
  },
  genres: {
    sure: [
      'genres genre genrenames genrelist animegenres',
      'generos genero generi genere ジャンル жанры 장르',
    ],
    doubtful: ['tags tag categories category'],
  },
}

/** One list in several columns: genre1, genre_2. */
export const numberedList = /^(?:genres?|generos?|tags?)\d+$/

/** The name in CSV and NDJSON exports of what the API calls `id`, which a source has for its own. */
export const exportedId = 'anime_api_id'

const spellings: Record<AnimeType, string> = {
  TV: 'tv tvseries tvshort tvanime series serie serietv テレビ テレビアニメ tvアニメ',
  MOVIE: 'movie film films pelicula filme animemovie 映画 劇場版 剧场版 电影 фильм 영화 극장판',
  OVA: 'ova oav oad originalvideoanimation',
  ONA: 'ona web webanime originalnetanimation',
  SPECIAL: 'special specials tvspecial sp especial spezial спешл スペシャル',
  MUSIC: 'music musicvideo mv musica musik клип',
  // What advertises a title is none of the types.
  UNKNOWN: 'unknown pv promotionalvideo promo cm commercial other others misc',
}

/** A type by its `plain` spelling. */
export const typeBySpelling: ReadonlyMap<string, AnimeType> = new Map(
  Object.entries(spellings).flatMap(([type, names]) =>
    names.split(' ').map((name) => [plain(name), type as AnimeType] as const),
  ),
)
