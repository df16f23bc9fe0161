-- For Data Factory, whose rows are raw text: cleans the rows of a batch of animes_staging and merges
-- them. It cleans as db/import/mapping.ts does; test/db/cleaning-cases.ts has the cases for both.
create procedure import_animes @batch nvarchar(64), @replace bit = 0 as
begin
  set nocount on
  set xact_abort on
  -- What JavaScript's trim() takes away.
  declare @blanks nvarchar(40) = nchar(9) + nchar(10) + nchar(11) + nchar(12) + nchar(13) + nchar(32)
    + nchar(160) + nchar(5760) + nchar(8192) + nchar(8193) + nchar(8194) + nchar(8195) + nchar(8196)
    + nchar(8197) + nchar(8198) + nchar(8199) + nchar(8200) + nchar(8201) + nchar(8202) + nchar(8232)
    + nchar(8233) + nchar(8239) + nchar(8287) + nchar(12288) + nchar(65279)
  -- Characters that no text has (Unicode noncharacters), in the place of escaped ones.
  declare @backslash nchar(1) = nchar(64976), @single nchar(1) = nchar(64977),
    @double nchar(1) = nchar(64978), @dropped nchar(1) = nchar(64979)
  declare @read int, @skipped int, @remaining int

  begin transaction
  -- 1. The texts without the blanks around them.
  create table #raw (
    id bigint not null primary key, source_id nvarchar(400) collate Latin1_General_BIN2, title nvarchar(4000) collate Latin1_General_BIN2,
    type nvarchar(400) collate Latin1_General_BIN2, year nvarchar(400) collate Latin1_General_BIN2, score nvarchar(400) collate Latin1_General_BIN2,
    episodes nvarchar(400) collate Latin1_General_BIN2, genres nvarchar(max) collate Latin1_General_BIN2)
  insert into #raw (id, source_id, title, type, year, score, episodes, genres)
  select id, trim(@blanks from coalesce(source_id, N'')), trim(@blanks from coalesce(title, N'')), trim(@blanks from coalesce(type, N'')), trim(@blanks from coalesce(year, N'')), trim(@blanks from coalesce(score, N'')), trim(@blanks from coalesce(episodes, N'')), trim(@blanks from coalesce(genres, N''))
  from animes_staging where batch = @batch
  set @read = @@rowcount

  -- 2. Genres: a Python list literal, each text once. Escaped characters give way to others first, so
  -- that every quote still there opens or closes a name; then a name is taken off all texts at a time.
  create table #genre_texts (
    id int identity primary key, text nvarchar(max) collate Latin1_General_BIN2, inside nvarchar(max) collate Latin1_General_BIN2,
    json nvarchar(max) collate Latin1_General_BIN2, names nvarchar(max) collate Latin1_General_BIN2, bad bit not null)
  insert into #genre_texts (text, inside, bad)
  select d.genres,
    case when d.genres like N'[[]%]' then trim(@blanks from coalesce(substring(d.genres, 2, len(d.genres) - 2), N'')) else d.genres end,
    case when charindex(nchar(65533), d.genres) > 0 or charindex(@backslash, d.genres) > 0
      or charindex(@single, d.genres) > 0 or charindex(@double, d.genres) > 0
      or charindex(@dropped, d.genres) > 0 then 1 else 0 end
  from (select distinct genres from #raw) d

  create table #remaining (text_id int not null primary key, remaining nvarchar(max) collate Latin1_General_BIN2)
  insert into #remaining (text_id, remaining)
  select id, replace(replace(replace(replace(inside, N'\\', @backslash), N'\''', @single), N'\"', @double), N'\', @dropped)
  from #genre_texts where bad = 0 and not (lower(inside) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan'))
  -- A backslash that escapes no quote and no backslash is left to npm run import, which knows them all.
  update t set bad = 1 from #genre_texts t join #remaining r on r.text_id = t.id
  where charindex(@dropped, r.remaining) > 0
  delete from #remaining where charindex(@dropped, remaining) > 0
  set @remaining = (select count(*) from #remaining)

  create table #names (
    text_id int not null, position int not null, name nvarchar(max) collate Latin1_General_BIN2, bare bit not null)
  create table #taken (
    text_id int not null primary key, name nvarchar(max) collate Latin1_General_BIN2, remaining nvarchar(max) collate Latin1_General_BIN2,
    bare bit not null, bad bit not null)
  declare @position int = 0
  while @remaining > 0
  begin
    set @position = @position + 1
    delete from #taken
    insert into #taken (text_id, name, remaining, bare, bad)
    select q.text_id,
      case when q.closing = 0 then N'' when q.quoted = 1 then substring(q.remaining, 2, q.closing - 2)
        else left(q.remaining, q.closing - 1) end,
      case when q.closing = 0 then N'' when q.quoted = 1 then trim(@blanks from coalesce(substring(q.remaining, q.closing + 1, len(q.remaining)), N''))
        else substring(q.remaining, q.closing, len(q.remaining)) end,
      1 - q.quoted, case when q.closing = 0 then 1 else 0 end
    from (
      select s.text_id, s.remaining, s.quoted,
        case when s.quoted = 1 then charindex(left(s.remaining, 1), s.remaining, 2)
          else patindex(N'%[,''"]%', s.remaining + N',') end as closing
      from (
        select text_id, trim(@blanks from coalesce(remaining, N'')) as remaining,
          case when left(trim(@blanks from coalesce(remaining, N'')), 1) in (N'''', N'"') then 1 else 0 end as quoted
        from #remaining) s) q
    -- Between a name and the next there is a comma; a bare name has at least one character, no quote.
    update #taken set bad = 1 where remaining <> N'' and left(remaining, 1) <> N','
    update #taken set bad = 1 where bare = 1 and (name = N''
      or charindex(@single, name) > 0 or charindex(@double, name) > 0)
    update t set bad = 1 from #genre_texts t join #taken s on s.text_id = t.id where s.bad = 1
    insert into #names (text_id, position, name, bare)
    select text_id, @position, name, bare from #taken where bad = 0
    delete from #remaining
    insert into #remaining (text_id, remaining)
    select text_id, substring(remaining, 2, len(remaining)) from #taken
    where bad = 0 and remaining <> N'' and remaining <> N','
    set @remaining = @@rowcount
  end
  update #names set name = trim(@blanks from coalesce(replace(replace(replace(name, @backslash, N'\'), @single, N''''), @double, N'"'), N''))
  update t set bad = 1 from #genre_texts t
  where exists (select 1 from #names n where n.text_id = t.id
    and (n.name = N'' or len(n.name) > 64))

  create table #genres (
    text_id int not null, position int not null, name nvarchar(64) collate Latin1_General_BIN2 not null,
    quoted nvarchar(400) collate Latin1_General_BIN2 not null, primary key (text_id, name))
  insert into #genres (text_id, position, name, quoted)
  select n.text_id, min(n.position), cast(n.name as nvarchar(64)),
    N'"' + replace(replace(cast(n.name as nvarchar(64)), N'\', @backslash), N'"', N'\"') + N'"'
  from #names n join #genre_texts t on t.id = n.text_id
  where t.bad = 0 group by n.text_id, cast(n.name as nvarchar(64))
  declare @control int = 1, @hex nchar(16) = N'0123456789abcdef'
  while @control < 32 and exists (select 1 from #genres where quoted like N'%[' + nchar(1) + N'-' + nchar(31) + N']%')
  begin
    update #genres set quoted = replace(quoted, nchar(@control),
      case @control when 8 then N'\b' when 9 then N'\t' when 10 then N'\n' when 12 then N'\f' when 13 then N'\r'
        else N'\u00' + substring(@hex, @control / 16 + 1, 1) + substring(@hex, @control % 16 + 1, 1) end)
    where charindex(nchar(@control), quoted) > 0
    set @control = @control + 1
  end
  -- Not by replace(): a server may read two backslashes there as one.
  while exists (select 1 from #genres where charindex(@backslash, quoted) > 0)
    update #genres set quoted = stuff(quoted, charindex(@backslash, quoted), 1, N'\\')
    where charindex(@backslash, quoted) > 0
  update t set bad = 1 from #genre_texts t
  where (select count(*) from #genres g where g.text_id = t.id) > 32
  update #genre_texts set json = N'[]', names = N''
  update t set json = N'[' + j.quoted + N']', names = j.names from #genre_texts t join (
    select text_id, string_agg(cast(quoted as nvarchar(max)), N',') within group (order by position) as quoted,
      string_agg(cast(name as nvarchar(max)), nchar(65533)) within group (order by position) as names
    from #genres group by text_id) j on j.text_id = t.id

  -- 3. The rows that can be taken; of those with one source_id, the first.
  create table #parts (
    id bigint not null primary key, text_id int not null, type nvarchar(400) collate Latin1_General_BIN2, score float,
    source_id_whole nvarchar(400) collate Latin1_General_BIN2, source_id_fraction nvarchar(400) collate Latin1_General_BIN2,
    year_whole nvarchar(400) collate Latin1_General_BIN2, year_fraction nvarchar(400) collate Latin1_General_BIN2,
    episodes_whole nvarchar(400) collate Latin1_General_BIN2, episodes_fraction nvarchar(400) collate Latin1_General_BIN2,
    no_year bit not null, no_score bit not null, no_episodes bit not null)
  insert into #parts
  select r.id, t.id, case when lower(r.type) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then N'UNKNOWN' else upper(r.type) end,
    case when r.score not like N'%[^0-9.]%' and r.score like N'[0-9]%' and r.score like N'%[0-9]'
      and r.score not like N'%.%.%' and len(r.score) <= 300 then cast(r.score as float) end,
    -- Minus nothing is nothing.
    case when r.source_id like N'-0%' and r.source_id not like N'-%[^0.]%' then substring(case when charindex(N'.', r.source_id) > 0 then left(r.source_id, charindex(N'.', r.source_id) - 1) else r.source_id end, 2, 400)
      else case when charindex(N'.', r.source_id) > 0 then left(r.source_id, charindex(N'.', r.source_id) - 1) else r.source_id end end, case when charindex(N'.', r.source_id) > 0 then substring(r.source_id, charindex(N'.', r.source_id) + 1, 400) else N'0' end,
    case when charindex(N'.', r.year) > 0 then left(r.year, charindex(N'.', r.year) - 1) else r.year end, case when charindex(N'.', r.year) > 0 then substring(r.year, charindex(N'.', r.year) + 1, 400) else N'0' end,
    case when charindex(N'.', r.episodes) > 0 then left(r.episodes, charindex(N'.', r.episodes) - 1) else r.episodes end, case when charindex(N'.', r.episodes) > 0 then substring(r.episodes, charindex(N'.', r.episodes) + 1, 400) else N'0' end,
    case when lower(r.year) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then 1 else 0 end, case when lower(r.score) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then 1 else 0 end, case when lower(r.episodes) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then 1 else 0 end
  from #raw r join #genre_texts t on t.text = r.genres
  -- No episodes means that nobody has counted them.
  update #parts set no_episodes = 1
  where episodes_whole like N'0%' and episodes_whole not like N'%[^0]%'
    and episodes_fraction <> N'' and episodes_fraction not like N'%[^0]%'

  create table #valid (
    id bigint not null primary key, source_id int not null, title nvarchar(400) collate Latin1_General_BIN2 not null,
    type nvarchar(16) collate Latin1_General_BIN2 not null, year int, score decimal(4, 2), episodes int, text_id int not null)
  insert into #valid (id, source_id, title, type, year, score, episodes, text_id)
  select v.id, case when v.source_id between 0 and 2147483647 then cast(v.source_id as int) end, left(v.title, 400), left(v.type, 16),
    case when v.no_year = 0 then case when v.year between 1900 and 2100 then cast(v.year as int) end end,
    -- As JavaScript rounds: half a hundredth goes up, in binary floating point.
    case when v.no_score = 0 and v.score between 0 and 10
      then cast(cast(floor(v.score * 100 + 0.5) as int) / 100.0 as decimal(4, 2)) end,
    case when v.no_episodes = 0 then case when v.episodes between 1 and 100000 then cast(v.episodes as int) end end, v.text_id
  from (
    select p.id, p.text_id, r.title, p.type, p.score, p.no_year, p.no_score, p.no_episodes,
      
      case when p.source_id_fraction <> N'' and p.source_id_fraction not like N'%[^0]%'
        and p.source_id_whole <> N'' and p.source_id_whole not like N'%[^0-9]%' and len(p.source_id_whole) <= 10
      then cast(p.source_id_whole as bigint) end as source_id, 
      case when p.year_fraction <> N'' and p.year_fraction not like N'%[^0]%'
        and p.year_whole <> N'' and p.year_whole not like N'%[^0-9]%' and len(p.year_whole) <= 10
      then cast(p.year_whole as bigint) end as year, 
      case when p.episodes_fraction <> N'' and p.episodes_fraction not like N'%[^0]%'
        and p.episodes_whole <> N'' and p.episodes_whole not like N'%[^0-9]%' and len(p.episodes_whole) <= 10
      then cast(p.episodes_whole as bigint) end as episodes
    from #raw r join #parts p on p.id = r.id) v
  where v.text_id not in (select id from #genre_texts where bad = 1)
    and v.source_id between 0 and 2147483647
    and v.title <> N'' and v.title <> N'?' and len(v.title) <= 400 and charindex(nchar(65533), v.title) = 0
    and v.type in (N'TV', N'MOVIE', N'OVA', N'ONA', N'SPECIAL', N'MUSIC', N'UNKNOWN')
    and (v.no_year = 1 or v.year between 1900 and 2100)
    and (v.no_score = 1 or v.score between 0 and 10)
    and (v.no_episodes = 1 or v.episodes between 1 and 100000)
  -- Titles not yet aired come with a score of 10 that nobody gave.
  update #valid set score = null where score = 10 and (year is null or episodes is null)

  insert into animes_clean (batch, source_id, title, type, year, score, episodes, genres, genre_names)
  select @batch, v.source_id, v.title, v.type, v.year, v.score, v.episodes, t.json, t.names
  from #valid v
  join (select source_id, min(id) as id from #valid group by source_id) f on f.id = v.id
  join #genre_texts t on t.id = v.text_id
  order by v.id
  set @skipped = @read - @@rowcount

  delete from animes_staging where batch = @batch
  exec merge_animes @batch, @replace, @skipped
  commit transaction
end
