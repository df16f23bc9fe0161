import { sql } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Dialect } from '../dialects/dialect.ts'

/**
 * What only SQL Server needs: the staging table, and the procedure by which `npm run import` and Data
 * Factory bring a batch of it into the catalogue. A later change of the procedure is a migration that
 * drops and creates it again. And an index, so that the end of one write does not wait for another.
 */
export const importProcedure = ({ name, types }: Dialect): Migration => ({
  async up(db) {
    if (name !== 'mssql') return
    const text = (length: number) => sql.raw(`nvarchar(${length})`)
    await db.schema
      .createTable('animes_staging')
      .addColumn('batch', types.code(64), (c) => c.notNull())
      .addColumn('id', sql`bigint`, (c) => c.identity().notNull())
      .addColumn('source_id', text(400))
      .addColumn('title', text(4000))
      .addColumn('type', text(400))
      .addColumn('year', text(400))
      .addColumn('score', text(400))
      .addColumn('episodes', text(400))
      .addColumn('genres', types.longText)
      .addPrimaryKeyConstraint('animes_staging_pk', ['batch', 'id'])
      .execute()
    await db.schema.createIndex('outbox_mark').on('outbox').column('mark').execute()
    await sql.raw(procedure).execute(db)
  },
})

const code = 'collate Latin1_General_BIN2'

/** What JavaScript's trim() takes away. */
const blanks = [
  9, 10, 11, 12, 13, 32, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201,
  8202, 8232, 8233, 8239, 8287, 12288, 65279,
]
const nchars = (codes: number[]) => codes.map((each) => `nchar(${each})`).join(' + ')
const trim = (text: string) => `trim(@blanks from coalesce(${text}, N''))`
const isUnknown = (text: string) =>
  `lower(${text}) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan')`

/** The digits before the point, without a sign; and what follows the point. */
const beforePoint = (text: string) =>
  `case when charindex(N'.', ${text}) > 0 then left(${text}, charindex(N'.', ${text}) - 1) else ${text} end`
const afterPoint = (text: string) =>
  `case when charindex(N'.', ${text}) > 0 then substring(${text}, charindex(N'.', ${text}) + 1, 400) else N'0' end`

/** 12, 012 and 12.0 are whole numbers; null for anything else. */
const wholeNumber = (column: string) => `
      case when p.${column}_fraction <> N'' and p.${column}_fraction not like N'%[^0]%'
        and p.${column}_whole <> N'' and p.${column}_whole not like N'%[^0-9]%' and len(p.${column}_whole) <= 10
      then cast(p.${column}_whole as bigint) end`

/** Guarded: a server may reckon what it selects before it leaves out what WHERE says. */
const within = (value: string, low: number, high: number) =>
  `case when ${value} between ${low} and ${high} then cast(${value} as int) end`

/** Characters that no text has (Unicode noncharacters), in the place of escaped ones. */
const [backslash, single, double, dropped] = [64976, 64977, 64978, 64979].map(
  (each) => `nchar(${each})`,
)

const differs = `a.title ${code} <> c.title or a.type <> c.type or a.genres ${code} <> c.genres
    or coalesce(a.year, -1) <> coalesce(c.year, -1)
    or coalesce(a.score, -1) <> coalesce(c.score, -1)
    or coalesce(a.episodes, -1) <> coalesce(c.episodes, -1)`

/** Cleans as db/import/mapping.ts does; test/db/mssql-import.test.ts compares the two. */
const procedure = `
create procedure import_animes @batch nvarchar(64), @replace bit = 0 as
begin
  set nocount on
  set xact_abort on
  declare @blanks nvarchar(40) = ${nchars(blanks)}
  declare @held int, @read int, @taken int, @added int, @changed int, @removed int = 0, @left int

  begin transaction
  -- One import at a time, whoever calls.
  exec @held = sp_getapplock @Resource = 'import_animes', @LockMode = 'Exclusive',
    @LockOwner = 'Transaction', @LockTimeout = 60000
  if @held < 0 throw 51001, 'another import is running', 1

  -- 1. The texts without the blanks around them.
  create table #raw (
    id bigint not null primary key, source_id nvarchar(400) ${code}, title nvarchar(4000) ${code},
    type nvarchar(400) ${code}, year nvarchar(400) ${code}, score nvarchar(400) ${code},
    episodes nvarchar(400) ${code}, genres nvarchar(max) ${code})
  insert into #raw (id, source_id, title, type, year, score, episodes, genres)
  select id, ${['source_id', 'title', 'type', 'year', 'score', 'episodes', 'genres'].map(trim).join(', ')}
  from animes_staging where batch = @batch
  set @read = @@rowcount

  -- 2. Genres: a Python list literal, each text once. Escaped characters give way to others first, so
  -- that every quote still there opens or closes a name; then a name is taken off all texts at a time.
  create table #texts (
    id int identity primary key, text nvarchar(max) ${code}, inside nvarchar(max) ${code},
    json nvarchar(max) ${code}, bad bit not null)
  insert into #texts (text, inside, bad)
  select d.genres,
    case when d.genres like N'[[]%]' then ${trim('substring(d.genres, 2, len(d.genres) - 2)')} else d.genres end,
    case when charindex(nchar(65533), d.genres) > 0 or charindex(${backslash}, d.genres) > 0
      or charindex(${single}, d.genres) > 0 or charindex(${double}, d.genres) > 0
      or charindex(${dropped}, d.genres) > 0 then 1 else 0 end
  from (select distinct genres from #raw) d

  create table #rest (text_id int not null primary key, rest nvarchar(max) ${code})
  insert into #rest (text_id, rest)
  select id, replace(replace(replace(replace(inside, N'\\\\', ${backslash}), N'\\''', ${single}), N'\\"', ${double}), N'\\', ${dropped})
  from #texts where bad = 0 and not (${isUnknown('inside')})
  set @left = @@rowcount

  create table #names (
    text_id int not null, position int not null, name nvarchar(max) ${code}, bare bit not null)
  create table #step (
    text_id int not null primary key, name nvarchar(max) ${code}, rest nvarchar(max) ${code},
    bare bit not null, bad bit not null)
  declare @position int = 0
  while @left > 0
  begin
    set @position = @position + 1
    delete from #step
    insert into #step (text_id, name, rest, bare, bad)
    select q.text_id,
      case when q.closing = 0 then N'' when q.quoted = 1 then substring(q.rest, 2, q.closing - 2)
        else left(q.rest, q.closing - 1) end,
      case when q.closing = 0 then N'' when q.quoted = 1 then ${trim('substring(q.rest, q.closing + 1, len(q.rest))')}
        else substring(q.rest, q.closing, len(q.rest)) end,
      1 - q.quoted, case when q.closing = 0 then 1 else 0 end
    from (
      select s.text_id, s.rest, s.quoted,
        case when s.quoted = 1 then charindex(left(s.rest, 1), s.rest, 2)
          else patindex(N'%[,''"]%', s.rest + N',') end as closing
      from (
        select text_id, ${trim('rest')} as rest,
          case when left(${trim('rest')}, 1) in (N'''', N'"') then 1 else 0 end as quoted
        from #rest) s) q
    -- Between a name and the next there is a comma; a bare name has at least one character, no quote.
    update #step set bad = 1 where rest <> N'' and left(rest, 1) <> N','
    update #step set bad = 1 where bare = 1 and (name = N''
      or charindex(${single}, name) > 0 or charindex(${double}, name) > 0)
    update t set bad = 1 from #texts t join #step s on s.text_id = t.id where s.bad = 1
    insert into #names (text_id, position, name, bare)
    select text_id, @position, name, bare from #step where bad = 0
    delete from #rest
    insert into #rest (text_id, rest)
    select text_id, substring(rest, 2, len(rest)) from #step
    where bad = 0 and rest <> N'' and rest <> N','
    set @left = @@rowcount
  end
  -- A backslash goes, unless nothing follows it.
  update #names set name = substring(name, 1, len(name) - 1) + ${backslash}
  where bare = 1 and right(name, 1) = ${dropped}
  update #names set name = ${trim(
    `replace(replace(replace(replace(name, ${dropped}, N''), ${backslash}, N'\\'), ${single}, N''''), ${double}, N'"')`,
  )}
  update t set bad = 1 from #texts t
  where exists (select 1 from #names n where n.text_id = t.id
    and (n.name = N'' or len(n.name) > 64))

  create table #genres (
    text_id int not null, position int not null, name nvarchar(64) ${code} not null,
    quoted nvarchar(400) ${code} not null, primary key (text_id, name))
  insert into #genres (text_id, position, name, quoted)
  select n.text_id, min(n.position), cast(n.name as nvarchar(64)),
    N'"' + replace(replace(cast(n.name as nvarchar(64)), N'\\', ${backslash}), N'"', N'\\"') + N'"'
  from #names n join #texts t on t.id = n.text_id
  where t.bad = 0 group by n.text_id, cast(n.name as nvarchar(64))
  declare @control int = 1, @hex nchar(16) = N'0123456789abcdef'
  while @control < 32 and exists (select 1 from #genres where quoted like N'%[' + nchar(1) + N'-' + nchar(31) + N']%')
  begin
    update #genres set quoted = replace(quoted, nchar(@control),
      case @control when 8 then N'\\b' when 9 then N'\\t' when 10 then N'\\n' when 12 then N'\\f' when 13 then N'\\r'
        else N'\\u00' + substring(@hex, @control / 16 + 1, 1) + substring(@hex, @control % 16 + 1, 1) end)
    where charindex(nchar(@control), quoted) > 0
    set @control = @control + 1
  end
  -- Not by replace(): a server may read two backslashes there as one.
  while exists (select 1 from #genres where charindex(${backslash}, quoted) > 0)
    update #genres set quoted = stuff(quoted, charindex(${backslash}, quoted), 1, N'\\\\')
    where charindex(${backslash}, quoted) > 0
  update t set bad = 1 from #texts t
  where (select count(*) from #genres g where g.text_id = t.id) > 32
  update #texts set json = N'[]'
  update t set json = N'[' + j.names + N']' from #texts t join (
    select text_id, string_agg(cast(quoted as nvarchar(max)), N',')
      within group (order by position) as names
    from #genres group by text_id) j on j.text_id = t.id

  -- 3. The rows that can be taken; of those with one source_id, the first.
  create table #parts (
    id bigint not null primary key, text_id int not null, type nvarchar(400) ${code}, score float,
    source_id_whole nvarchar(400) ${code}, source_id_fraction nvarchar(400) ${code},
    year_whole nvarchar(400) ${code}, year_fraction nvarchar(400) ${code},
    episodes_whole nvarchar(400) ${code}, episodes_fraction nvarchar(400) ${code},
    no_year bit not null, no_score bit not null, no_episodes bit not null)
  insert into #parts
  select r.id, t.id, case when ${isUnknown('r.type')} then N'UNKNOWN' else upper(r.type) end,
    case when r.score not like N'%[^0-9.]%' and r.score like N'[0-9]%' and r.score like N'%[0-9]'
      and r.score not like N'%.%.%' and len(r.score) <= 300 then cast(r.score as float) end,
    -- Minus nothing is nothing.
    case when r.source_id like N'-0%' and r.source_id not like N'-%[^0.]%' then substring(${beforePoint('r.source_id')}, 2, 400)
      else ${beforePoint('r.source_id')} end, ${afterPoint('r.source_id')},
    ${beforePoint('r.year')}, ${afterPoint('r.year')},
    ${beforePoint('r.episodes')}, ${afterPoint('r.episodes')},
    ${['r.year', 'r.score', 'r.episodes'].map((text) => `case when ${isUnknown(text)} then 1 else 0 end`).join(', ')}
  from #raw r join #texts t on t.text = r.genres
  -- No episodes means that nobody has counted them.
  update #parts set no_episodes = 1
  where episodes_whole like N'0%' and episodes_whole not like N'%[^0]%'
    and episodes_fraction <> N'' and episodes_fraction not like N'%[^0]%'

  create table #valid (
    id bigint not null primary key, source_id int not null, title nvarchar(400) ${code} not null,
    type nvarchar(16) ${code} not null, year int, score decimal(4, 2), episodes int, text_id int not null)
  insert into #valid (id, source_id, title, type, year, score, episodes, text_id)
  select v.id, ${within('v.source_id', 0, 2_147_483_647)}, left(v.title, 400), left(v.type, 16),
    case when v.no_year = 0 then ${within('v.year', 1900, 2100)} end,
    -- As JavaScript rounds: half a hundredth goes up, in binary floating point.
    case when v.no_score = 0 and v.score between 0 and 10
      then cast(cast(floor(v.score * 100 + 0.5) as int) / 100.0 as decimal(4, 2)) end,
    case when v.no_episodes = 0 then ${within('v.episodes', 1, 100_000)} end, v.text_id
  from (
    select p.id, p.text_id, r.title, p.type, p.score, p.no_year, p.no_score, p.no_episodes,
      ${wholeNumber('source_id')} as source_id, ${wholeNumber('year')} as year, ${wholeNumber('episodes')} as episodes
    from #raw r join #parts p on p.id = r.id) v
  where v.text_id not in (select id from #texts where bad = 1)
    and v.source_id between 0 and 2147483647
    and v.title <> N'' and v.title <> N'?' and len(v.title) <= 400 and charindex(nchar(65533), v.title) = 0
    and v.type in (N'TV', N'MOVIE', N'OVA', N'ONA', N'SPECIAL', N'MUSIC', N'UNKNOWN')
    and (v.no_year = 1 or v.year between 1900 and 2100)
    and (v.no_score = 1 or v.score between 0 and 10)
    and (v.no_episodes = 1 or v.episodes between 1 and 100000)
  -- Titles not yet aired come with a score of 10 that nobody gave.
  update #valid set score = null where score = 10 and (year is null or episodes is null)

  create table #clean (
    source_id int not null primary key, id bigint not null, title nvarchar(400) ${code} not null,
    type nvarchar(16) ${code} not null, year int, score decimal(4, 2), episodes int,
    genres nvarchar(max) ${code} not null, text_id int not null)
  insert into #clean (source_id, id, title, type, year, score, episodes, genres, text_id)
  select v.source_id, v.id, v.title, v.type, v.year, v.score, v.episodes, t.json, v.text_id
  from #valid v join (select source_id, min(id) as id from #valid group by source_id) f on f.id = v.id
  join #texts t on t.id = v.text_id
  set @taken = @@rowcount
  -- With replace, a batch of nothing would empty the catalogue.
  if @taken = 0 throw 51002, 'no row of the batch can be taken', 1

  -- 4. The catalogue: what differs is changed, what is missing added, what is too much removed.
  create table #regenre (source_id int not null primary key)
  insert into #regenre (source_id)
  select c.source_id from #clean c left join animes a on a.source_id = c.source_id
  where a.id is null or a.genres ${code} <> c.genres
  delete from anime_genres where anime_id in (
    select a.id from animes a join #regenre r on r.source_id = a.source_id)
  update a set title = c.title, type = c.type, year = c.year, score = c.score, episodes = c.episodes,
    genres = c.genres
  from animes a join #clean c on c.source_id = a.source_id
  where ${differs}
  set @changed = @@rowcount
  insert into animes (source_id, title, type, year, score, episodes, genres)
  select c.source_id, c.title, c.type, c.year, c.score, c.episodes, c.genres from #clean c
  where not exists (select 1 from animes a where a.source_id = c.source_id) order by c.id
  set @added = @@rowcount
  insert into anime_genres (genre, anime_id)
  select g.name, a.id from #regenre r
  join #clean c on c.source_id = r.source_id join animes a on a.source_id = r.source_id
  join #genres g on g.text_id = c.text_id
  if @replace = 1
  begin
    delete from animes where source_id is null
      or not exists (select 1 from #clean c where c.source_id = animes.source_id)
    set @removed = @@rowcount
  end

  delete from animes_staging where batch = @batch
  if @added + @changed + @removed > 0 insert into outbox (tags) values (N'*')
  commit transaction
  select @added as added, @changed as changed, @taken - @added - @changed as unchanged,
    @removed as removed, @read - @taken as skipped
end`
