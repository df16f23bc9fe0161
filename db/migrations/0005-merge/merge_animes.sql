-- Merges the rows of a batch of animes_clean into the catalogue: what differs is changed, what is missing
-- is added and, with @replace, what is too much is removed. Columns that are not among @given, such as
-- N',title,year,', are not touched on titles that are there. Gives the counts; @skipped is passed on.
create procedure merge_animes @batch nvarchar(64), @replace bit = 0, @skipped int = 0,
  @given nvarchar(400) = N',title,type,year,score,episodes,genres,' as
begin
  set nocount on
  set xact_abort on
  declare @lock_result int, @rows int, @added int, @changed int, @removed int = 0, @last int
  declare @type bit = case when @given like N'%,type,%' then 1 else 0 end,
    @year bit = case when @given like N'%,year,%' then 1 else 0 end,
    @score bit = case when @given like N'%,score,%' then 1 else 0 end,
    @episodes bit = case when @given like N'%,episodes,%' then 1 else 0 end,
    @genres bit = case when @given like N'%,genres,%' then 1 else 0 end

  begin transaction
  -- One import at a time, whoever calls.
  exec @lock_result = sp_getapplock @Resource = 'import_animes', @LockMode = 'Exclusive',
    @LockOwner = 'Transaction', @LockTimeout = 60000
  if @lock_result < 0 throw 51001, 'another import is running', 1

  set @rows = (select count(*) from animes_clean where batch = @batch)
  -- With @replace, a batch of nothing would empty the catalogue.
  if @rows = 0 throw 51002, 'no row of the batch can be taken', 1
  set @last = (select coalesce(max(id), 0) from animes)

  update c set known = a.id
  from animes_clean c join animes a on a.source_id = c.source_id
  where c.batch = @batch

  create table #genre_changes (id int not null primary key, names nvarchar(max) collate Latin1_General_BIN2)
  insert into #genre_changes (id, names)
  select a.id, c.genre_names from animes_clean c join animes a on a.id = c.known
  where c.batch = @batch and @genres = 1 and a.genres collate Latin1_General_BIN2 <> c.genres
  delete from anime_genres where anime_id in (select id from #genre_changes)

  update a set title = c.title,
    type = case when @type = 1 then c.type else a.type end,
    year = case when @year = 1 then c.year else a.year end,
    score = case when @score = 1 then cast(c.score as decimal(4, 2)) else a.score end,
    episodes = case when @episodes = 1 then c.episodes else a.episodes end,
    genres = case when @genres = 1 then c.genres else a.genres end
  from animes a join animes_clean c on c.batch = @batch and c.known = a.id
  where a.title collate Latin1_General_BIN2 <> c.title or (@type = 1 and a.type <> c.type)
    or (@genres = 1 and a.genres collate Latin1_General_BIN2 <> c.genres)
    or (@year = 1 and coalesce(a.year, -1) <> coalesce(c.year, -1))
    or (@score = 1 and coalesce(a.score, -1) <> coalesce(cast(c.score as decimal(4, 2)), -1))
    or (@episodes = 1 and coalesce(a.episodes, -1) <> coalesce(c.episodes, -1))
  set @changed = @@rowcount

  insert into animes (source_id, title, type, year, score, episodes, genres)
  select c.source_id, c.title, c.type, c.year, cast(c.score as decimal(4, 2)), c.episodes, c.genres
  from animes_clean c
  where c.batch = @batch and c.known is null
  -- As on SQLite, rows without a source_id come last.
  order by case when c.source_id is null then 1 else 0 end, c.position
  set @added = @@rowcount

  -- A title that the API adds meanwhile has its genres already.
  insert into #genre_changes (id, names)
  select a.id, j.names from animes a join (
    select genres, min(genre_names) as names from animes_clean where batch = @batch group by genres) j
    on j.genres = a.genres collate Latin1_General_BIN2
  where a.id > @last and not exists (select 1 from anime_genres g where g.anime_id = a.id)
  insert into anime_genres (genre, anime_id)
  select cast(n.value as nvarchar(64)), g.id
  from #genre_changes g cross apply string_split(g.names, nchar(65533)) n
  where g.names <> N''

  if @replace = 1
  begin
    delete from animes where id <= @last and not exists (
      select 1 from animes_clean c where c.batch = @batch and c.known = animes.id)
    set @removed = @@rowcount
  end

  delete from animes_clean where batch = @batch
  if @added + @changed + @removed > 0 insert into outbox (tags) values (N'*')
  commit transaction
  select @added as added, @changed as changed, @rows - @added - @changed as unchanged,
    @removed as removed, @skipped as skipped
end
