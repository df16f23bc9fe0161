-- Merges the rows of a batch of animes_clean into the catalogue: what differs is changed, what is missing
-- is added and, with @replace, what is too much is removed. Gives the counts; @skipped is passed on.
create procedure merge_animes @batch nvarchar(64), @replace bit = 0, @skipped int = 0 as
begin
  set nocount on
  set xact_abort on
  declare @lock_result int, @rows int, @added int, @changed int, @removed int = 0

  begin transaction
  -- One import at a time, whoever calls.
  exec @lock_result = sp_getapplock @Resource = 'import_animes', @LockMode = 'Exclusive',
    @LockOwner = 'Transaction', @LockTimeout = 60000
  if @lock_result < 0 throw 51001, 'another import is running', 1

  set @rows = (select count(*) from animes_clean where batch = @batch)
  -- With @replace, a batch of nothing would empty the catalogue.
  if @rows = 0 throw 51002, 'no row of the batch can be taken', 1

  create table #genre_changes (
    source_id int not null primary key, genres nvarchar(max) collate Latin1_General_BIN2)
  insert into #genre_changes (source_id, genres)
  select c.source_id, c.genres from animes_clean c left join animes a on a.source_id = c.source_id
  where c.batch = @batch and (a.id is null or a.genres collate Latin1_General_BIN2 <> c.genres)
  delete from anime_genres where anime_id in (
    select a.id from animes a join #genre_changes g on g.source_id = a.source_id)

  update a set title = c.title, type = c.type, year = c.year, score = c.score, episodes = c.episodes,
    genres = c.genres
  from animes a join animes_clean c on c.batch = @batch and c.source_id = a.source_id
  where a.title collate Latin1_General_BIN2 <> c.title or a.type <> c.type
    or a.genres collate Latin1_General_BIN2 <> c.genres
    or coalesce(a.year, -1) <> coalesce(c.year, -1)
    or coalesce(a.score, -1) <> coalesce(c.score, -1)
    or coalesce(a.episodes, -1) <> coalesce(c.episodes, -1)
  set @changed = @@rowcount

  insert into animes (source_id, title, type, year, score, episodes, genres)
  select c.source_id, c.title, c.type, c.year, c.score, c.episodes, c.genres from animes_clean c
  where c.batch = @batch and not exists (select 1 from animes a where a.source_id = c.source_id)
  order by c.position
  set @added = @@rowcount

  insert into anime_genres (genre, anime_id)
  select cast(n.value as nvarchar(64)), a.id
  from #genre_changes g join animes a on a.source_id = g.source_id cross apply openjson(g.genres) n

  if @replace = 1
  begin
    delete from animes where source_id is null or not exists (
      select 1 from animes_clean c where c.batch = @batch and c.source_id = animes.source_id)
    set @removed = @@rowcount
  end

  delete from animes_clean where batch = @batch
  if @added + @changed + @removed > 0 insert into outbox (tags) values (N'*')
  commit transaction
  select @added as added, @changed as changed, @rows - @added - @changed as unchanged,
    @removed as removed, @skipped as skipped
end
